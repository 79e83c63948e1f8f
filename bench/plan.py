"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes are in bytes, times in seconds.

    `seconds` is how long one measurement of a rate takes; `connections` are kept alive in it.
    `crowd` is the blob that `clients` want at once.
    """

    rounds: int
    seconds: int
    big: int
    crowd: int
    crowd_rounds: int
    restarts: int
    connections: int = 16
    clients: int = 20
    counted_pulls: int = 10


FULL = Plan(rounds=5, seconds=3, big=512 * MIB, crowd=64 * MIB, crowd_rounds=3, restarts=3)
QUICK = Plan(rounds=2, seconds=1, big=32 * MIB, crowd=16 * MIB, crowd_rounds=1, restarts=1)
"""Shows that everything works; its numbers say little."""
