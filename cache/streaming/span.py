"""Bytes that stand in a file, for a server that has the kernel send them from there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """The ``length`` bytes at ``offset`` of the file that is open as ``fd``; all are there."""

    fd: int
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length
