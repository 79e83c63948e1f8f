"""Over two workers, over the end of one and of both: each thing that happened is counted once."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest

from cache.oci.digest import Digest
from tests.e2e.processes import eventually
from tests.e2e.raw import Download
from tests.e2e.workers import client_of_each_worker
from tests.fakes.faults import Fault, Gate
from tests.faults.clients import SMALL_WINDOW, Client, pull
from tests.metrics.scraping import Measured, measured

pytestmark = pytest.mark.e2e

NAME = "library/thing"
SIZE = 3_000_000
DATA = bytes(range(250)) * 12_000
FEWEST_READERS = 5


def upstream_of(mirror: Measured) -> str:
    return mirror.scene.upstream.url.removeprefix("http://")


def get(mirror: Measured, digest: Digest) -> str:
    with Download(mirror.scene.mirror.address, NAME, digest) as download:
        return download.read_all()


def test_requests_and_bytes_of_both_workers(mirror: Measured) -> None:
    path, data = mirror.scene.held_blob(NAME, SIZE)
    image = mirror.scene.upstream.add_image(NAME, "latest")
    blob, name = path.removeprefix("/v2/"), f"{NAME}/manifests"
    with client_of_each_worker(mirror.scene.mirror) as clients:
        for number, client in enumerate(clients, start=1):
            for _ in range(number):
                assert client.get(blob).content == data
                assert client.get(blob, headers={"Range": "bytes=5-104"}).status_code == 206
                assert client.head(blob).status_code == 200
                assert client.get(blob, headers={"If-None-Match": "*"}).status_code == 304
                assert client.get(f"{name}/latest").status_code == 200
                assert client.get(f"{name}/{image.digest}").status_code == 200
                assert client.get(f"{name}/none").status_code == 404
                assert client.put(f"{name}/none").status_code == 405
                assert client.get("nothing/of/ours").status_code == 404
        found = mirror.await_that("requests_total", 3, route="blob", status="206")

    def requests(**labels: str) -> float:
        return found.of("requests_total", **labels)

    # All of it three times, once through one worker and twice through the other.
    assert requests(route="blob", method="GET", status="200", cache="hit") == 3
    assert requests(route="blob", method="GET", status="200", cache="miss") == 1
    assert requests(route="blob", method="GET", status="206", cache="hit") == 3
    assert requests(route="blob", method="HEAD", status="200", cache="hit") == 3
    assert requests(route="blob", method="GET", status="304", cache="hit") == 3
    assert requests(route="manifest", status="200", cache="miss") == 1
    assert requests(route="manifest", status="200", cache="revalidated") == 2
    assert requests(route="manifest", status="200", cache="hit") == 3
    assert requests(route="manifest", status="404", cache="none") == 3
    assert requests(route="manifest", method="other", status="405") == 3
    assert requests(route="unknown", status="404") == 3
    served = 4 * SIZE + 3 * 100 + 6 * len(image.manifest)
    assert found.of("served_bytes_total", upstream=upstream_of(mirror)) == served
    fetched = SIZE + len(image.manifest)
    assert found.of("fetched_bytes_total", upstream=upstream_of(mirror)) == fetched
    # The histogram counts the same requests.
    seconds = found.of("request_duration_seconds_count", route="blob", cache="hit")
    assert seconds == 12
    assert found.of("request_duration_seconds_bucket", route="blob", cache="hit", le="+Inf") == 12


def test_one_fill_and_those_who_joined_it(mirror: Measured) -> None:
    digest = mirror.scene.upstream.add_blob(NAME, DATA)
    gate = Gate()
    mirror.scene.upstream.misbehave(
        Fault(stall=gate, stall_at=1_000_000), method="GET", path=str(digest)
    )
    server = mirror.scene.mirror
    with ExitStack() as stack:
        pulls: list[Download] = []
        owners: set[int | None] = set()
        while len(pulls) < FEWEST_READERS or len(owners) < 2:
            pulls.append(stack.enter_context(Download(server.address, NAME, digest)))
            owners.add(server.worker_of(pulls[-1].local_port))
        readers = len(pulls)
        during = mirror.await_that("fill_readers", readers)
        assert during.of("fills_in_flight") == 1
        assert during.of("requests_in_progress") == readers
        assert during.of("fills_total") == 0
        gate.open()
        assert {pull.read_all() for pull in pulls} == {str(digest)}
    mirror.await_that("fill_joined_readers_total", readers - 1)
    found = mirror.await_that("served_bytes_total", readers * SIZE)
    assert found.of("fill_joined_readers_total") == readers - 1
    assert found.of("fills_total", result="complete") == 1
    assert found.of("fills_total", result="failed") == 0
    assert found.of("fetched_bytes_total") == SIZE
    assert found.of("requests_total", route="blob", cache="miss") == readers
    assert mirror.await_that("fills_in_flight", 0).of("fill_resumes_total") == 0
    mirror.await_that("fill_readers", 0)


def test_a_transfer_that_is_cut_is_resumed(mirror: Measured) -> None:
    digest = mirror.scene.upstream.add_blob(NAME, DATA)
    mirror.scene.upstream.misbehave(
        Fault(cut_after=1_000_000), method="GET", path=str(digest), times=1
    )
    assert get(mirror, digest) == str(digest)
    found = mirror.await_that("fills_total", 1, result="complete")
    assert found.of("fill_resumes_total") == 1
    assert found.of("fetched_bytes_total") == SIZE
    assert found.of("upstream_errors_total", kind="interrupted") == 1
    assert found.of("upstream_response_seconds_count", content="blobs") == 2
    assert found.of("verification_failures_total") == 0


def test_a_transfer_with_wrong_bytes_fails_its_verification(mirror: Measured) -> None:
    digest = mirror.scene.upstream.add_blob(NAME, DATA)
    mirror.scene.upstream.misbehave(
        Fault(wrong_byte_at=SIZE - 10), method="GET", path=str(digest), times=1
    )
    with Download(mirror.scene.mirror.address, NAME, digest) as download:
        download.read(1000)
        found = mirror.await_that("fills_total", 1, result="complete")
    assert found.of("verification_failures_total", content="blob") == 1
    assert found.of("fetched_bytes_total") == 2 * SIZE
    assert found.of("fill_resumes_total") == 0


def test_a_transfer_that_does_not_end_is_told_from_one_that_cannot_begin(mirror: Measured) -> None:
    digest = mirror.scene.upstream.add_blob(NAME, DATA)
    mirror.scene.upstream.misbehave(Fault(wrong_byte_at=SIZE - 10), method="GET", path=str(digest))
    with Client(mirror.scene.mirror) as unlucky:
        unlucky.ask(f"/v2/{NAME}/blobs/{digest}", "Connection: close")
        unlucky.rest()  # an error, or a body that breaks off: whichever comes first
    mirror.await_that("fills_total", 1, result="failed")
    missing = Digest.of(b"nobody has this")
    with client_of_each_worker(mirror.scene.mirror) as clients:
        for client in clients:
            assert client.get(f"{NAME}/blobs/{missing}").status_code == 404
    found = mirror.await_that("requests_total", 2, route="blob", status="404")
    assert found.of("fills_total", result="unanswered") >= 1
    assert found.of("fills_total", result="failed") == 1
    assert found.of("fills_total", result="complete") == 0
    assert found.of("verification_failures_total", content="blob") == 2


def test_a_manifest_that_is_not_its_digest_fails_its_verification(mirror: Measured) -> None:
    image = mirror.scene.upstream.add_image(NAME, "latest")
    mirror.scene.upstream.misbehave(Fault(wrong_byte_at=10), method="GET", path="/manifests/")
    with client_of_each_worker(mirror.scene.mirror) as (client, _):
        assert client.get(f"{NAME}/manifests/{image.digest}").status_code == 502
    found = mirror.await_that("requests_total", 1, route="manifest", status="502")
    assert found.of("verification_failures_total", content="manifest") == 1


def test_a_worker_is_killed_while_it_fills_and_nothing_is_lost_or_counted_twice(
    mirror: Measured,
) -> None:
    path, _ = mirror.scene.held_blob("library/held", 100_000)
    with client_of_each_worker(mirror.scene.mirror) as clients:
        for client in clients:
            assert client.get(path.removeprefix("/v2/")).status_code == 200
        mirror.await_that("requests_total", 2, route="blob", cache="hit")
    digest = mirror.scene.upstream.add_blob(NAME, DATA)
    gate = Gate()
    mirror.scene.upstream.misbehave(
        Fault(stall=gate, stall_at=1_000_000), method="GET", path=str(digest), times=1
    )
    server = mirror.scene.mirror
    with ExitStack() as stack:
        stack.enter_context(Download(server.address, NAME, digest))
        eventually(lambda: server.filler() is not None, "a worker fills")
        filler = server.filler()
        assert filler is not None
        reader = _reader_of_another_worker(stack, mirror, filler, digest)
        reader.read(500_000)
        before = mirror.scrape()
        arrived = before.of("fetched_bytes_total") - 100_000

        os.kill(filler, signal.SIGKILL)

        assert reader.read_all() == str(digest)
        found = mirror.await_that("fills_total", 2, result="complete")
        gate.open()
    assert arrived <= 1_000_000
    assert found.of("fill_resumes_total") == 1
    # What the dead one had taken is counted, and only the rest came again.
    assert found.of("fetched_bytes_total") == 100_000 + SIZE
    assert found.of("requests_total", route="blob", cache="hit") == 2
    after = mirror.await_that("workers", 2)
    assert {its["worker"] for its, _ in after.each("worker_start_time_seconds")} == {"0", "1"}
    mirror.await_that("fill_readers", 0)
    mirror.await_that("fills_in_flight", 0)
    # The one that came in its place goes on where it has ended.
    with client_of_each_worker(server) as clients:
        for client in clients:
            assert client.get(path.removeprefix("/v2/")).status_code == 200
    mirror.await_that("requests_total", 4, route="blob", cache="hit", status="200")


def _reader_of_another_worker(
    stack: ExitStack, mirror: Measured, filler: int, digest: Digest
) -> Download:
    while True:
        reader = stack.enter_context(Download(mirror.scene.mirror.address, NAME, digest))
        owner = mirror.scene.mirror.worker_of(reader.local_port)
        if owner is not None and owner != filler:
            return reader
        reader.hang_up()


def test_many_ended_workers_leave_nothing_behind(mirror: Measured) -> None:
    server = mirror.scene.mirror
    for _ in range(4):
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(server.workers()) == 2, "both are there again")
        mirror.await_that("workers", 2)
    # Ten have been there, and two are.
    for name in ("worker_start_time_seconds", "worker_resident_memory_bytes"):
        assert {its["worker"] for its, _ in mirror.scrape().each(name)} == {"0", "1"}


def test_a_worker_that_has_no_successor_leaves_its_counts_and_nothing_else(
    mirror: Measured,
) -> None:
    path, _ = mirror.scene.held_blob(NAME, SIZE)
    with client_of_each_worker(mirror.scene.mirror) as clients:
        for client in clients:
            client.get(path.removeprefix("/v2/"))
    mirror.await_that("requests_total", 2, route="blob", cache="hit")
    # gunicorn's "one worker less".
    os.kill(mirror.scene.mirror.pid, signal.SIGTTOU)
    eventually(lambda: len(mirror.scene.mirror.workers()) == 1, "one has ended")
    found = mirror.await_that("workers", 1)
    assert len(found.each("worker_open_files")) == 1
    assert found.of("requests_total", route="blob", cache="hit") == 2
    assert found.of("served_bytes_total") == 3 * SIZE


def test_who_hangs_up_got_what_left_through_sendfile(mirror: Measured) -> None:
    size = 40_000_000
    path, _ = mirror.scene.held_blob(NAME, size)
    before = mirror.await_that("served_bytes_total", size).of("served_bytes_total")
    with Client(mirror.scene.mirror, window=SMALL_WINDOW) as client:
        client.ask(path)
        client.head()
        client.reset()
    found = mirror.await_that("requests_total", 1, route="blob", cache="hit")
    assert 0 < found.of("served_bytes_total") - before < size


def test_what_is_evicted_is_counted_with_its_reason() -> None:
    with measured(REGISTRY_RETENTION_MAX_SIZE="1MiB") as mirror:
        mirror.scene.held_blob("library/first", 700_000)
        mirror.await_that("store_bytes", 700_000)
        mirror.scene.held_blob("library/second", 600_000)
        found = mirror.await_that("evictions_total", 1, reason="max_size")
        assert found.of("evicted_bytes_total", reason="max_size") == 700_000
        assert found.of("evictions_total") == 1
        assert mirror.await_that("store_bytes", 600_000).of("store_objects") == 1


def test_damage_on_the_disk_is_counted_by_who_found_it() -> None:
    with measured(
        REGISTRY_STORAGE_SCRUB_INTERVAL="1s", REGISTRY_STORAGE_SCRUB_RATE="1GiB"
    ) as mirror:
        path, _ = mirror.scene.held_blob(NAME, SIZE)
        (file,) = mirror.scene.mirror.root.glob(f"blobs/*/*/{path.rpartition(':')[2]}")
        file.chmod(0o600)
        with file.open("r+b") as damaged:
            damaged.write(b"other bytes")
        mirror.await_that("store_damaged_total", 1, kind="damaged")


def test_a_blob_of_another_size_is_counted_as_damaged(mirror: Measured) -> None:
    path, data = mirror.scene.held_blob(NAME, SIZE)
    mirror.await_that("store_objects", 1)
    (file,) = mirror.scene.mirror.root.glob(f"blobs/*/*/{path.rpartition(':')[2]}")
    file.chmod(0o600)
    os.truncate(file, 1000)
    assert pull(mirror.scene.mirror, path) == data
    mirror.await_that("store_damaged_total", 1, kind="size")


def test_after_a_restart_counting_begins_anew_and_says_so(mirror: Measured) -> None:
    path, data = mirror.scene.held_blob(NAME, SIZE)
    before = mirror.await_that("served_bytes_total", SIZE)
    mirror.scene.mirror.stop()
    mirror.scene.mirror.start()
    with client_of_each_worker(mirror.scene.mirror) as clients:
        for client in clients:
            assert client.get(path.removeprefix("/v2/")).content == data
    after = mirror.await_that("served_bytes_total", 2 * SIZE)
    assert after.of("requests_total", route="blob") == 2
    assert after.of("fetched_bytes_total") == 0
    assert after.of("start_time_seconds") > before.of("start_time_seconds")
    # What is so, and does not count, is there as before.
    assert mirror.await_that("store_bytes", SIZE).of("store_objects") == 1
