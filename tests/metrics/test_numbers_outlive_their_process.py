"""What a process has counted is there after its end, once; what it had at the moment is not."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from cache.meters.sheet import MOST_NUMBERS, REGION_SIZE, Key, Region, Sheet

COUNT: Key = ("requests", "manifest")
NOW: Key = ("connections",)
GAUGES = frozenset({"connections"})
BOUNDS = (0.1, 1.0)


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns at every chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def numbers(region: Region) -> dict[Key, float]:
    return {key: value for key, value in region.read() if not math.isnan(value)}


def in_a_process(work: Callable[[], None]) -> None:
    """Do it in a forked process, which then is killed."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_counts_of_a_killed_process_stay_and_the_next_one_goes_on() -> None:
    sheet = Sheet(2)

    def count() -> None:
        mine = sheet.region(1)
        mine.add(COUNT, 3)
        mine.put(NOW, 7)

    in_a_process(count)
    assert numbers(sheet.region(1)) == {COUNT: 3, NOW: 7}
    sheet.region(1).forget(GAUGES)
    assert numbers(sheet.region(1)) == {COUNT: 3}

    in_a_process(count)
    assert numbers(sheet.region(1)) == {COUNT: 6, NOW: 7}
    assert numbers(sheet.region(0)) == {}


def test_a_gauge_that_was_forgotten_can_be_put_again() -> None:
    region = Sheet(1).region(0)
    region.put(NOW, 7)
    region.forget(GAUGES)
    region.put(NOW, 1)
    assert numbers(region) == {NOW: 1}


def test_values_are_counted_in_their_buckets() -> None:
    region = Sheet(1).region(0)
    for value in (0.05, 0.1, 0.5, 1.5, 99.0):
        region.observe(("seconds", "blob"), value, BOUNDS)
    series = ("seconds", "blob")
    assert numbers(region) == {
        (*series, "0"): 2,  # up to and including its bound
        (*series, "1"): 1,
        (*series, "2"): 2,
        (*series, "sum"): pytest.approx(101.15),
    }


def test_no_count_of_many_threads_is_lost() -> None:
    region = Sheet(1).region(0)

    def count() -> None:
        for _ in range(2000):
            region.add(COUNT)
            region.observe(("seconds",), 0.5, BOUNDS)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = numbers(region)
    assert (found[COUNT], found["seconds", "1"], found["seconds", "sum"]) == (16_000, 16_000, 8000)


def test_new_numbers_of_many_threads_each_get_a_place(quick_switches: None) -> None:
    region = Sheet(1).region(0)

    def count(name: str) -> None:
        for number in range(100):
            region.add((name, str(number)))

    threads = [threading.Thread(target=count, args=(f"t{each}",)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(region) == {(f"t{each}", str(n)): 1 for each in range(8) for n in range(100)}


def test_what_was_begun_and_not_ended_is_not_read() -> None:
    """A process that is killed between a name and its number leaves neither."""
    memory = memoryview(bytearray(REGION_SIZE))
    region = Region(memory)
    region.add(COUNT)
    text = REGION_SIZE - 512 * 1024
    length = len(bytes(memory[text:]).rstrip(b"\0"))
    memory[text + length : text + length + 4] = b'["ha'

    after = Region(memory)
    assert numbers(after) == {COUNT: 1}
    after.add(("served",), 5)
    assert numbers(Region(memory)) == {COUNT: 1, ("served",): 5}


def test_a_region_that_is_full_takes_nothing_new_and_goes_on() -> None:
    region = Sheet(1).region(0)
    for number in range(MOST_NUMBERS):
        region.add(("many", str(number)))
    was_full = region.is_full
    region.add(COUNT)
    region.observe(("seconds",), 0.5, BOUNDS)
    region.add(("many", "0"))
    assert (was_full, region.is_full) == (False, True)
    found = numbers(region)
    assert (len(found), found["many", "0"]) == (MOST_NUMBERS, 2)
