"""A pass reads evenly and no faster than it is told to, and leaves the kernel's memory to pulls."""

from __future__ import annotations

import os

import pytest

from cache.oci.digest import Digest
from cache.scrub import Pace, verify
from cache.scrub.reading import OPENING, STEP
from tests.scrub.bench import Bench, Clock

RATE = 1_000_000
SIZE = 3_000_000


def test_a_pass_takes_the_time_that_the_rate_asks_for(bench: Bench) -> None:
    bench.hold_many(4, SIZE)
    began = bench.clock.now

    verify(bench.job(rate=RATE), bench.place_file)

    took = bench.clock.now - began
    # The last step read is not waited for: there is nothing after it.
    assert (4 * SIZE - STEP) / RATE <= took <= (4 * (SIZE + OPENING)) / RATE


def test_at_no_time_more_was_read_than_the_rate_allows(bench: Bench) -> None:
    bench.hold_many(3, SIZE)
    began = bench.clock.now
    ahead: list[float] = []

    verify(
        bench.job(
            rate=RATE,
            on_progress=lambda read: ahead.append(read - (bench.clock.now - began) * RATE),
        ),
        bench.place_file,
    )

    assert max(ahead) <= 2 * STEP


def test_many_small_blobs_are_not_read_in_a_burst(bench: Bench) -> None:
    bench.hold_many(50, 10)
    began = bench.clock.now

    verify(bench.job(rate=RATE), bench.place_file)

    assert bench.clock.now - began >= 49 * OPENING / RATE


def test_idle_time_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(100, clock, clock.sleep)
    pace.spend(100)
    clock.now += 3600

    pace.spend(100)
    pace.spend(100)

    assert clock.naps == [1.0]


def _is_in_memory(bench: Bench, digest: Digest, offset: int) -> bool:
    fd = os.open(bench.path(digest), os.O_RDONLY)
    try:
        return os.preadv(fd, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
    except OSError:
        pytest.skip("this file system does not tell what is in memory")
    finally:
        os.close(fd)


@pytest.mark.parametrize("is_warm", [True, False])
def test_what_was_in_memory_before_is_afterwards(bench: Bench, is_warm: bool) -> None:
    digest = bench.hold(os.urandom(SIZE))
    fd = os.open(bench.path(digest), os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    if _is_in_memory(bench, digest, SIZE // 2):
        pytest.skip("this file system is in memory")
    if is_warm:
        bench.path(digest).read_bytes()

    bench.scrub()

    assert _is_in_memory(bench, digest, SIZE // 2) is is_warm
