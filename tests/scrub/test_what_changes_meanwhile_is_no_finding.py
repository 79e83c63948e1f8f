"""Pulls and evictions go on while the store is read: what they do is not taken for damage."""

from __future__ import annotations

from collections.abc import Callable

from cache.scrub import verify
from tests.scrub.bench import Bench


def _scrubbed_while(bench: Bench, act: Callable[[], object]) -> None:
    """A repairing pass in which something happens as soon as the first bytes are read."""
    done: list[object] = []

    def act_once(_read: int) -> None:
        if not done:
            done.append(act())

    verify(bench.job(repair=True, on_progress=act_once), bench.place_file)
    assert done


def test_blobs_that_go(bench: Bench) -> None:
    digests = bench.hold_many(5)

    def evict() -> None:
        for digest in digests:
            bench.store.delete(digest)
            bench.records.forget_blob(digest)

    _scrubbed_while(bench, evict)

    assert bench.found() == []
    assert bench.quarantined() == []


def test_blobs_that_come(bench: Bench) -> None:
    bench.hold_many(5)

    _scrubbed_while(bench, lambda: [bench.hold(bytes([n])) for n in range(100)])

    assert bench.found() == []
    assert len(bench.records.sizes) == 105


def test_a_blob_whose_record_comes_a_moment_later(bench: Bench) -> None:
    digest = bench.hold(b"new", recorded=False)
    bench.clock.before_second_look = lambda: bench.records.sizes.update({digest: 3})

    assert bench.scrub().total_findings == 0


def test_a_blob_whose_file_goes_a_moment_before_its_record(bench: Bench) -> None:
    digest = bench.hold(b"old")
    bench.store.delete(digest)
    bench.clock.before_second_look = lambda: bench.records.forget_blob(digest)

    assert bench.scrub().total_findings == 0


def test_a_blob_that_comes_back_before_the_second_look(bench: Bench) -> None:
    digest = bench.hold(b"back")
    bench.store.delete(digest)
    bench.clock.before_second_look = lambda: bench.hold(b"back")

    assert bench.scrub(repair=True).total_findings == 0
    assert bench.records.sizes == {digest: 4}


def test_a_damaged_blob_that_a_pull_has_replaced_is_left_alone(bench: Bench) -> None:
    data = b"x" * 600_000
    digest = bench.hold(data)
    with bench.path(digest).open("r+b") as file:
        file.write(b"!")

    def heal() -> None:
        assert bench.store.quarantine(digest)
        bench.hold(data)

    _scrubbed_while(bench, heal)

    assert bench.found() == [("damaged", str(digest))]
    assert not bench.findings[0].is_repaired
    assert bench.store.stat(digest) == len(data)
    assert len(bench.quarantined()) == 1
