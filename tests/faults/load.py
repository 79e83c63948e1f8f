"""Clients that pull and pull, whatever happens to the mirror meanwhile."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from typing import TYPE_CHECKING, Self

import httpx

from tests.fakes.plain import NO_AUTHORITY

if TYPE_CHECKING:
    from types import TracebackType

NAME = "storm/image"
LATEST = 3
ANSWER_SECONDS = 30.0


class Clients:
    """Threads that pull the tags which they are given, the newest above all, until the end.

    A broken answer is taken for what it is, and asked for again. What must never come is kept in
    `faults`: a complete answer with wrong bytes, or a refusal.
    """

    def __init__(self, url: str, count: int) -> None:
        self.faults: list[str] = []
        self.pulled = 0
        self._tags: list[str] = []
        self._url = url
        self._ended = threading.Event()
        self._has_work = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed),), daemon=True)
            for seed in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Return when the last pull has ended."""
        self._ended.set()
        self._has_work.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)
            assert not thread.is_alive(), "a pull hangs"

    def want(self, tag: str) -> None:
        self._tags.append(tag)
        self._has_work.set()

    def _run(self, rng: random.Random) -> None:
        self._has_work.wait()
        while not self._ended.is_set():
            tags = self._tags[-LATEST:]
            tag = tags[-1] if rng.random() < 0.5 else rng.choice(tags)
            try:
                self.faults += pull(self._url, tag)
                self.pulled += 1
            except httpx.TransportError:
                self._ended.wait(0.02)


def pull(url: str, tag: str) -> list[str]:
    """Pull an image with all its blobs; what is wrong with it. Raises `httpx.TransportError`."""
    with httpx.Client(
        base_url=f"{url}/v2/{NAME}", timeout=ANSWER_SECONDS, trust_env=False, verify=NO_AUTHORITY
    ) as http:
        answer = http.get(f"/manifests/{tag}", headers={"Accept": "*/*"})
        if answer.status_code != httpx.codes.OK:
            return [f"{tag}: {answer.status_code} {answer.text}"]
        manifest = json.loads(answer.content)
        blobs = [manifest["config"], *manifest["layers"]]
        return [fault for blob in blobs for fault in _pull_blob(http, blob["digest"])]


def _pull_blob(http: httpx.Client, digest: str) -> list[str]:
    with http.stream("GET", f"/blobs/{digest}") as answer:
        if answer.status_code != httpx.codes.OK:
            return [f"{digest}: {answer.status_code} {answer.read().decode()}"]
        found = hashlib.sha256()
        for piece in answer.iter_raw():
            found.update(piece)
    return [] if f"sha256:{found.hexdigest()}" == digest else [f"{digest}: complete, and wrong"]
