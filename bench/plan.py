"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes are in bytes, times in seconds.

    `rounds` are those of rates (each of `seconds` at each server) and of what is as quick; `few`
    are those of what takes long. `big` is one large blob, `crowd` the one that `clients` want at
    once, `fill` the one that `readers` follow, and a fleet of `fleet` machines pulls an image of
    `layers` layers of `layer` bytes. `slow` clients take a big blob each, for `slow_seconds`.
    """

    rounds: int
    few: int
    seconds: int
    big: int
    crowd: int
    fill: int
    readers: int
    fleet: int
    layers: int
    layer: int
    slow: int
    slow_seconds: int
    manifests: int
    restarts: int
    connections: int = 16
    tags: int = 64
    clients: int = 20
    counted_pulls: int = 10

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are those that are wanted: of the whole sizes."""
        return self == FULL


FULL = Plan(
    rounds=5,
    few=3,
    seconds=2,
    big=512 * MIB,
    crowd=256 * MIB,
    fill=1024 * MIB,
    readers=500,
    fleet=50,
    layers=10,
    layer=40 * MIB,
    slow=1500,
    slow_seconds=15,
    manifests=200_000,
    restarts=5,
)

QUICK = Plan(
    rounds=1,
    few=1,
    seconds=1,
    big=32 * MIB,
    crowd=16 * MIB,
    fill=32 * MIB,
    readers=20,
    fleet=5,
    layers=4,
    layer=2 * MIB,
    slow=50,
    slow_seconds=2,
    manifests=200,
    restarts=1,
)
"""Shows that everything works; its numbers say little."""
