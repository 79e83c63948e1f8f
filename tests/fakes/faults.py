"""Misbehaviour on command: what to do wrong, to which requests, how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

PATIENCE = 20.0
"""Seconds after which a test that waits for an event fails instead of hanging."""


class Gate:
    """A door that requests wait at until the test opens it: holds a transfer at a known place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrived = 0
        self._open = False

    def wait_until_reached(self, count: int = 1) -> None:
        """Return once `count` requests have come to the gate."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._arrived >= count, PATIENCE), (
                f"{self._arrived} of {count} requests reached the gate"
            )

    @property
    def arrived(self) -> int:
        """How many requests have come to the gate."""
        with self._changed:
            return self._arrived

    def open(self) -> None:
        """Let through those who wait and all who come later."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def pass_through(self) -> None:
        """Wait here until the gate is open. The server calls this."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with an answer; the parts combine. Offsets count the bytes of this answer.

    status: answer this (with `body` as its body) instead of the content.
    headers, without: headers to add or replace, and to leave out.
    hold: wait at this gate before the answer begins.
    stall, stall_at: wait at this gate once `stall_at` bytes of the body are sent.
    cut_after: close the connection after this many bytes of the body; -1 closes it without an
      answer. With `reset` the close is a TCP reset.
    wrong_byte_at: flip the bits of this byte.
    ignore_range: answer 200 with everything.
    chunked, until_close: send no Content-Length.
    bytes_per_second: throttle the body.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    hold: Gate | None = None
    stall: Gate | None = None
    stall_at: int = 0
    cut_after: int | None = None
    reset: bool = False
    wrong_byte_at: int | None = None
    ignore_range: bool = False
    chunked: bool = False
    until_close: bool = False
    bytes_per_second: int | None = None


NO_FAULT = Fault()


@dataclass(slots=True)
class Armed:
    """A fault that waits for its requests. `hits` counts those it has met."""

    fault: Fault
    method: str | None
    path: re.Pattern[str]
    skip: int
    times: int | None
    hits: int = 0

    def takes(self, method: str, target: str) -> bool:
        """Whether this request meets the fault; uses up one of its times if so."""
        if self.times == 0 or (self.method or method) != method or not self.path.search(target):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        self.hits += 1
        return True


class Faults:
    """The faults armed on one server, the first that matches a request wins. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []

    def arm(self, armed: Armed) -> Armed:
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Forget all faults and let go of what they hold."""
        self.release()
        with self._lock:
            self._armed.clear()

    def release(self) -> None:
        """Open every gate."""
        with self._lock:
            armed = list(self._armed)
        for each in armed:
            for gate in (each.fault.hold, each.fault.stall):
                if gate is not None:
                    gate.open()

    def for_request(self, method: str, target: str) -> Fault:
        with self._lock:
            for armed in self._armed:
                if armed.takes(method, target):
                    return armed.fault
        return NO_FAULT
