"""A ring has the janitor look, at once, but not all the time when there is nothing that may go."""

from __future__ import annotations

from dataclasses import dataclass, field

from cache.retention.janitor import Alarm


@dataclass
class _Mirror:
    """What the alarm is told, and how often it looked."""

    wants: int = 0
    is_over: bool = True
    looks: int = 0
    alarm: Alarm = field(default_factory=lambda: Alarm(0))

    def calls(self, now: float, heard: int) -> bool:
        return self.alarm.calls(now, heard, lambda: self.wants, self._look)

    def _look(self) -> bool:
        self.looks += 1
        return self.is_over


def test_nothing_is_asked_of_the_database_while_nobody_rings() -> None:
    mirror = _Mirror(wants=1)

    assert not mirror.calls(now=100.0, heard=0)
    assert mirror.looks == 0


def test_a_ring_calls_if_a_limit_is_crossed() -> None:
    assert _Mirror(is_over=True).calls(now=0.0, heard=1)
    assert not _Mirror(is_over=False).calls(now=0.0, heard=1)


def test_a_ring_is_looked_at_once() -> None:
    mirror = _Mirror(is_over=False)
    for now in (0.0, 2.0, 4.0):
        assert not mirror.calls(now, heard=1)
    assert mirror.looks == 1


def test_rings_in_quick_succession_are_measured_once_a_second_and_none_is_lost() -> None:
    mirror = _Mirror(is_over=False)
    for number in range(30):
        mirror.calls(number / 10, heard=number + 1)
    assert mirror.looks == 3

    mirror.is_over = True
    assert mirror.calls(now=3.5, heard=30)


def test_after_a_run_in_vain_a_growing_store_waits_and_a_waiting_fill_does_not() -> None:
    mirror = _Mirror()
    mirror.alarm.ran(10.0, in_vain=True)

    assert not mirror.calls(now=14.9, heard=1)
    assert mirror.looks == 0
    assert mirror.calls(now=15.0, heard=1), "the ring meanwhile is not forgotten"

    mirror.wants = 5
    assert mirror.calls(now=16.0, heard=2)
    mirror.alarm.ran(20.0, in_vain=True)
    assert mirror.calls(now=20.1, heard=3)


def test_after_a_run_that_was_of_use_the_next_ring_is_heard() -> None:
    mirror = _Mirror()
    mirror.alarm.ran(10.0, in_vain=False)

    assert mirror.calls(now=10.2, heard=1)
