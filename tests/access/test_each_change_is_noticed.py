"""What is remembered ends with any change, also one that cannot be read."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from cache.access.remembered import Remembered
from cache.memory import MOST_KEPT, Memory


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return _memory(tmp_path)


def _memory(folder: Path) -> Memory:
    return Memory(folder / "memory", lambda _key, _timeout: nullcontext(True))


def _keep(remembered: Remembered) -> None:
    remembered.get("key", 60)
    remembered.keep("key", "value", remembered.stamp())
    assert remembered.get("key", 60) == "value"


def test_what_another_user_has_written(memory: Memory, tmp_path: Path) -> None:
    """As root does, whose files the mirror's own user cannot read."""
    remembered, theirs = Remembered(memory), tmp_path / "memory"
    _keep(remembered)
    stamp = remembered.stamp()

    for _ in range(2):
        Remembered(_memory(tmp_path)).changed()
        (record,) = theirs.iterdir()
        content = record.read_bytes()
        record.write_bytes(b"{" + content)  # unreadable to anyone

        assert remembered.get("key", 60) is None
        assert remembered.stamp() != stamp
        stamp = remembered.stamp()
        _keep(remembered)


def test_what_comes_and_goes(memory: Memory, tmp_path: Path) -> None:
    """No record before, and none after: there was a change all the same."""
    remembered = Remembered(memory)
    _keep(remembered)
    before = remembered.stamp()
    remembered.changed()
    remembered.get("key", 60)
    (record,) = (tmp_path / "memory").iterdir()
    record.unlink()

    assert remembered.get("key", 60) is None
    assert remembered.stamp() != before


def test_nothing_ends_without_a_change(memory: Memory) -> None:
    remembered = Remembered(memory)
    _keep(remembered)
    stamp = remembered.stamp()
    assert remembered.get("key", 60) == "value"
    assert remembered.stamp() == stamp


def test_nor_when_much_else_is_read(memory: Memory) -> None:
    remembered = Remembered(memory)
    _keep(remembered)
    for number in range(MOST_KEPT + 1):
        memory.read(str(number))
    assert remembered.get("key", 60) == "value"


def test_one_that_cannot_be_told_to_others_counts_here(tmp_path: Path) -> None:
    (tmp_path / "memory").write_bytes(b"in the way")
    remembered = Remembered(_memory(tmp_path))
    _keep(remembered)
    remembered.changed()
    assert remembered.get("key", 60) is None


def test_who_is_late_does_not_bring_an_older_state_back(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = Remembered(memory)
    _keep(remembered)
    late = remembered.stamp()
    remembered.changed()
    remembered.get("key", 60)
    now = remembered.stamp()

    monkeypatch.setattr(memory, "version", lambda _key: late)
    remembered.get("key", 60)

    assert remembered.stamp() == now
