"""What a fake server was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

PATIENCE = 20.0
"""Seconds after which a test that waits for a request fails instead of hanging."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in. Header names are lower case, lines of one name joined by ", ".

    `client` is the connection's remote address: equal for requests on one connection.
    `certificate` is the common name of the client's certificate, None without one.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    client: tuple[str, int]
    body: bytes = b""
    certificate: str | None = None

    @property
    def target(self) -> str:
        """Path and query, as sent."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a posted form."""
        return dict(parse_qsl(self.body.decode()))

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())


class Record:
    """The requests so far, in the order of their coming. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._requests: list[Seen] = []
        self._body_bytes = 0

    def add(self, seen: Seen) -> None:
        with self._lock:
            self._requests.append(seen)
            self._lock.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once the condition on what was asked holds."""
        with self._lock:
            assert self._lock.wait_for(condition, PATIENCE), "that was never asked"

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._body_bytes += count

    def reset(self) -> None:
        with self._lock:
            self._requests.clear()
            self._body_bytes = 0

    @property
    def body_bytes(self) -> int:
        """Bytes of bodies handed to the network."""
        with self._lock:
            return self._body_bytes

    def matching(self, method: str | None = None, path: str = "") -> list[Seen]:
        """Those with this method and with the pattern `path` somewhere in path and query."""
        pattern = re.compile(path)
        with self._lock:
            return [
                seen
                for seen in self._requests
                if (method or seen.method) == seen.method and pattern.search(seen.target)
            ]
