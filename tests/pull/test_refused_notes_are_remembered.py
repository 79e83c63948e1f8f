"""That the database took the last note, or not, is known for a while."""

from __future__ import annotations

from cache.database import Refusals


def test_a_refusal_counts_until_a_note_is_taken() -> None:
    refusals = Refusals(lambda: 0.0)
    assert not refusals.are_recent()
    refusals.note(refused=True)
    assert refusals.are_recent()
    refusals.note(refused=False)
    assert not refusals.are_recent()


def test_nothing_is_known_of_a_database_that_nobody_writes_to_any_more() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    refusals.note(refused=True)
    now[0] = 3600
    assert not refusals.are_recent()
