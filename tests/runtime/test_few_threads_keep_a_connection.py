"""SQLite's connections are costly to open, and to keep for a thousand threads."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import pytest

from cache import database


@dataclass
class _Connection:
    """What a thread has of SQLite."""

    vendor: str = "sqlite"
    in_atomic_block: bool = False
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> _Connection:
    made = _Connection()
    monkeypatch.setattr(database, "connection", made)
    monkeypatch.setattr(database, "MOST_KEPT", 2)
    monkeypatch.setattr(database, "_keepers", weakref.WeakSet())
    return made


def _in_a_thread() -> None:
    thread = threading.Thread(target=database.let_go)
    thread.start()
    thread.join()


def test_as_many_as_may_keep_theirs(connection: _Connection) -> None:
    busy, done = threading.Barrier(3), threading.Event()

    def keep() -> None:
        database.let_go()
        busy.wait(30)
        done.wait(30)
        database.let_go()

    threads = [threading.Thread(target=keep) for _ in range(2)]
    for thread in threads:
        thread.start()
    busy.wait(30)
    assert connection.closed == 0

    database.let_go()
    assert connection.closed == 1, "they are all taken"

    done.set()
    for thread in threads:
        thread.join()
    assert connection.closed == 1, "who keeps one goes on keeping it"
    database.let_go()
    assert connection.closed == 1, "the threads have ended that had kept theirs"


def test_threads_that_have_ended_take_no_place(connection: _Connection) -> None:
    for _ in range(10):
        _in_a_thread()
    assert connection.closed == 0


@pytest.mark.parametrize("other", [{"vendor": "postgresql"}, {"in_atomic_block": True}])
def test_some_are_not_ours_to_close(
    connection: _Connection, monkeypatch: pytest.MonkeyPatch, other: dict[str, object]
) -> None:
    monkeypatch.setattr(database, "MOST_KEPT", 0)
    database.let_go()
    assert connection.closed == 1
    for name, value in other.items():
        setattr(connection, name, value)

    database.let_go()
    assert connection.closed == 1
