"""What a client's own configuration says so that it pulls through this mirror.

Docker's `registry-mirrors` stand for docker.io alone. containerd (and k3s, which writes its files)
asks for any registry's images with `?ns=`; podman, skopeo and CRI-O ask by a path, which begins
with the registry's name unless it is the mirror's default upstream. An access token goes where each
client keeps one (docs/access.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from cache import naming
from cache.config import Config
from cache.config.shape import HUB_URL

HUB = "docker.io"


class NotPossible(Exception):
    """The client cannot be configured so; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client's file: where it belongs, all of it, and what there is to know beside it."""

    path: str
    content: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mirror:
    """What clients have to know of a mirror: its address (no final slash), whom it mirrors.

    ``token`` is the client's access token, if it is to have one.
    """

    config: Config
    url: str
    token: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """`host[:port]`."""
        return urlsplit(self.url).netloc

    @property
    def is_plain(self) -> bool:
        """Whether it speaks HTTP without TLS."""
        return urlsplit(self.url).scheme == "http"

    def path_of(self, registry: str) -> str:
        """What stands between the mirror's address and the repository, with a slash before it."""
        prefix = naming.prefix(self.config, self.config.names[registry]).rstrip("/")
        return f"/{prefix}" if prefix else ""


def registries(config: Config) -> tuple[str, ...]:
    """The registries whose images clients get here, as clients call them."""
    default = config.proxy
    first = (HUB,) if default.is_hub else (HUB, default.name)
    return tuple(dict.fromkeys((*first, *(upstream.name for upstream in config.others))))


def client_file(client: str, mirror: Mirror, wanted: tuple[str, ...]) -> ClientFile:
    """The file of a ``client`` (a key of :data:`CLIENTS`) for these registries, one at least.

    Raises :class:`NotPossible`.
    """
    return CLIENTS[client](mirror, wanted)


def _docker(mirror: Mirror, wanted: tuple[str, ...]) -> ClientFile:
    others = [registry for registry in wanted if registry != HUB]
    if HUB not in wanted:
        example = f"{mirror.address}{mirror.path_of(others[0])}/owner/image"
        raise NotPossible(
            f"Docker asks mirrors for docker.io alone: pull images of {others[0]} as {example}"
        )
    place = f"{mirror.url}/t/{mirror.token}/" if mirror.token else mirror.url
    settings = {"registry-mirrors": [place]}
    notes = ["then: systemctl reload docker"]
    if mirror.token:
        notes.append("a mirror's address with a token in it takes Docker 24.0.8 or later")
    if mirror.is_plain:
        settings["insecure-registries"] = [mirror.address]
    notes += [
        f"images of {registry}: docker pull {mirror.address}{mirror.path_of(registry)}/owner/image"
        for registry in others
    ]
    content = json.dumps(settings, indent=2) + "\n"
    return ClientFile("/etc/docker/daemon.json", content, tuple(notes))


def _containerd(mirror: Mirror, wanted: tuple[str, ...]) -> ClientFile:
    registry, *others = wanted
    origin = HUB_URL if registry == HUB else f"https://{registry}"
    content = (
        f'server = "{origin}"\n\n[host."{mirror.url}"]\n  capabilities = ["pull", "resolve"]\n'
    )
    if mirror.token:
        bearer = f'["Bearer {mirror.token}"]'
        content += f'  [host."{mirror.url}".header]\n    Authorization = {bearer}\n'
    notes = (
        'containerd\'s own config.toml needs: config_path = "/etc/containerd/certs.d"',
        *(f"for {other}, a file of its own: --registry {other}" for other in others),
    )
    return ClientFile(f"/etc/containerd/certs.d/{registry}/hosts.toml", content, notes)


def _podman(mirror: Mirror, wanted: tuple[str, ...]) -> ClientFile:
    blocks = [
        f'[[registry]]\nprefix = "{registry}"\nlocation = "{registry}"\n\n'
        f'[[registry.mirror]]\nlocation = "{mirror.address}{mirror.path_of(registry)}"\n'
        + "insecure = true\n"
        * mirror.is_plain
        for registry in wanted
    ]
    path = "/etc/containers/registries.conf.d/mirror.conf"
    notes = ["also for buildah, skopeo and CRI-O"]
    if mirror.token:
        notes.append(f"then: podman login -u token -p {mirror.token} {mirror.address}")
    return ClientFile(path, "\n".join(blocks), tuple(notes))


def _k3s(mirror: Mirror, wanted: tuple[str, ...]) -> ClientFile:
    entries = [f'  "{registry}":\n    endpoint:\n      - "{mirror.url}"\n' for registry in wanted]
    content = "mirrors:\n" + "".join(entries)
    if mirror.token:
        content += (
            f'configs:\n  "{mirror.address}":\n    auth:\n'
            f'      username: "token"\n      password: "{mirror.token}"\n'
        )
    return ClientFile("/etc/rancher/k3s/registries.yaml", content, ("then: restart k3s",))


#: The clients that we know, and what makes the file of each.
CLIENTS: Mapping[str, Callable[[Mirror, tuple[str, ...]], ClientFile]] = MappingProxyType(
    {"docker": _docker, "containerd": _containerd, "podman": _podman, "k3s": _k3s}
)
