"""Clients: how to point one at this mirror, and who pulled last."""

from __future__ import annotations

from dataclasses import dataclass

from cache.clients import ClientFile, Mirror, client_file, registries
from cache.pulse import Pulse

MOST_PULLS = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """A file to copy, under a ``key`` of its own on the page; ``client`` is who reads it."""

    key: str
    client: str
    file: ClientFile


@dataclass(frozen=True, slots=True)
class LastPull:
    """Who asked for what, at ``at`` (epoch seconds)."""

    at: float
    client: str
    agent: str
    repository: str
    reference: str


def files(mirror: Mirror) -> list[Shown]:
    """The file of each client, for all registries; containerd has one for each of them."""
    wanted = registries(mirror.config)
    return [
        Shown("docker", "Docker", client_file("docker", mirror, wanted)),
        *(
            Shown(f"containerd-{n}", "containerd", client_file("containerd", mirror, (registry,)))
            for n, registry in enumerate(wanted)
        ),
        Shown("podman", "Podman, Buildah, Skopeo, CRI-O", client_file("podman", mirror, wanted)),
        Shown("k3s", "k3s", client_file("k3s", mirror, wanted)),
    ]


def last_pulls(found: list[Pulse], since: float) -> list[LastPull]:
    """The pulls after a moment (epoch seconds), of all processes, the latest first."""
    pulls = [LastPull(**one) for pulse in found for one in pulse.pulls if one["at"] > since]
    return sorted(pulls, key=lambda pull: -pull.at)[:MOST_PULLS]
