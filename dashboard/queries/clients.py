"""Clients: how to point one at this mirror, and who pulled last."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cache import runtime
from cache.config import Proxy
from cache.pulse import Pulse

MOST_PULLS = 10


@dataclass(frozen=True, slots=True)
class Snippet:
    """A file to copy: which client reads it, where it stands, what it holds, what to do then."""

    key: str
    client: str
    path: str
    content: str
    then: str


@dataclass(frozen=True, slots=True)
class LastPull:
    """Who asked for what, at ``at`` (epoch seconds)."""

    at: float
    client: str
    agent: str
    repository: str
    reference: str


def snippets(scheme: str, host: str) -> list[Snippet]:
    """The files for a mirror that is reached at ``scheme://host``."""
    url, is_plain = f"{scheme}://{host}", scheme == "http"
    default, *others = runtime.current().config.upstreams
    return [
        Snippet(
            "docker",
            "Docker",
            "/etc/docker/daemon.json",
            _daemon_json(url, host, is_plain=is_plain),
            "Then: systemctl restart docker. It mirrors Docker Hub only; others are pulled by "
            f"name, as in {host}/ghcr.io/owner/image.",
        ),
        *(
            Snippet(
                f"containerd-{number}",
                "containerd",
                f"/etc/containerd/certs.d/{_registry(proxy)}/hosts.toml",
                _hosts_toml(url, proxy),
                "Takes effect at once, if config_path in containerd's config.toml is "
                "/etc/containerd/certs.d.",
            )
            for number, proxy in enumerate((default, *others))
        ),
        Snippet(
            "podman",
            "Podman, Buildah, CRI-O",
            "/etc/containers/registries.conf.d/mirrorsite.conf",
            _registries_conf(host, (default, *others), is_plain=is_plain),
            "Takes effect at once; CRI-O needs a restart.",
        ),
        Snippet(
            "k3s",
            "k3s, RKE2",
            "/etc/rancher/k3s/registries.yaml",
            _registries_yaml(url, (default, *others)),
            "Then restart k3s. RKE2 reads /etc/rancher/rke2/registries.yaml.",
        ),
    ]


def last_pulls(found: list[Pulse], since: float) -> list[LastPull]:
    """The pulls after a moment (epoch seconds), of all processes, the latest first."""
    pulls = [LastPull(**one) for pulse in found for one in pulse.pulls if one["at"] > since]
    return sorted(pulls, key=lambda pull: -pull.at)[:MOST_PULLS]


def _registry(proxy: Proxy) -> str:
    """The registry for which clients come to this upstream: its own name, or Hub's."""
    return proxy.name if proxy != runtime.current().config.proxy or proxy.is_hub else "docker.io"


def _daemon_json(url: str, host: str, *, is_plain: bool) -> str:
    content: dict[str, list[str]] = {"registry-mirrors": [url]}
    if is_plain:
        content["insecure-registries"] = [host]
    return json.dumps(content, indent=2)


def _hosts_toml(url: str, proxy: Proxy) -> str:
    return f'server = "{proxy.remoteurl}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]'


def _registries_conf(host: str, upstreams: tuple[Proxy, ...], *, is_plain: bool) -> str:
    blocks = []
    for number, proxy in enumerate(upstreams):
        name = _registry(proxy)
        place = host if number == 0 else f"{host}/{proxy.name}"
        insecure = "\ninsecure = true" if is_plain else ""
        blocks.append(
            f'[[registry]]\nprefix = "{name}"\nlocation = "{name}"\n\n'
            f'[[registry.mirror]]\nlocation = "{place}"{insecure}'
        )
    return "\n\n".join(blocks)


def _registries_yaml(url: str, upstreams: tuple[Proxy, ...]) -> str:
    lines = ["mirrors:"]
    for proxy in upstreams:
        lines += [f"  {_registry(proxy)}:", "    endpoint:", f'      - "{url}"']
    return "\n".join(lines)
