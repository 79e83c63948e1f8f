"""Threads that have something to note wait for each other as long as the line moves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from cache.database import Line

LONG = 1.0
SHORT = 0.05
"""Seconds of patience: for who is to see something happen, and for who is to see nothing."""


def test_a_long_line_that_moves_is_waited_for() -> None:
    line, written = Line(), list[int]()

    def write(number: int) -> None:
        with line.turn(LONG):
            # All of them together take longer than anyone's patience.
            threading.Event().wait(LONG / 5)
            written.append(number)

    with ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(write, number) for number in range(12)]:
            done.result()

    assert sorted(written) == list(range(12))


def test_who_waits_for_one_who_gets_nowhere_gives_up() -> None:
    line = Line()
    with line.turn(SHORT), ThreadPoolExecutor(5) as pool:
        for waits in [pool.submit(_take_a_turn, line) for _ in range(5)]:
            with pytest.raises(OperationalError):
                waits.result()


def test_a_write_that_failed_leaves_the_turn_to_the_next() -> None:
    line = Line()
    with pytest.raises(ZeroDivisionError), line.turn(SHORT):
        raise ZeroDivisionError

    _take_a_turn(line)


def _take_a_turn(line: Line) -> None:
    with line.turn(SHORT):
        pass
