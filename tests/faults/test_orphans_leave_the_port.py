"""The parent is killed: its workers finish what is under way, and a new mirror starts at once."""

from __future__ import annotations

from tests.e2e.images import MIB, noise
from tests.e2e.kernel import is_running
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

NAME = "orphans"
BLOB = noise(4 * MIB, NAME)


def test_a_pull_outlives_the_parent_and_the_port_is_free() -> None:
    gate = Gate()
    with (
        scratch("orphans") as home,
        FakeUpstream() as upstream,
        Mirror(home / "data", upstream.url, REGISTRY_HTTP_DRAINTIMEOUT="60s") as mirror,
    ):
        digest = upstream.add_blob(NAME, BLOB)
        upstream.misbehave(Fault(stall=gate, stall_at=2 * MIB), path="/blobs/")
        with (
            Download(mirror.address, NAME, digest) as old,
            Download(mirror.address, NAME, digest) as other,
        ):
            old.read(MIB)
            filler = mirror.filler()
            assert filler is not None
            orphans = mirror.workers()

            mirror.kill()
            mirror.start()

            assert mirror.filler() == filler
            with Download(mirror.address, NAME, digest) as new:
                new.read(MIB)
                gate.open()
                assert [each.read_all() for each in (old, other, new)] == [str(digest)] * 3
        eventually(lambda: not any(map(is_running, orphans)), "the orphans have ended")
        assert upstream.count("GET", "/blobs/") == 1
