"""What a test reaches is followed to the end: `make test-fast` and PostgreSQL's run go by it."""

from __future__ import annotations

import pytest

from tests import reach


@pytest.mark.parametrize(
    ("name", "starts_programs", "starts_a_mirror"),
    [
        # By a fixture of its own room, a class, and a program that the class before it starts.
        ("tests.access.conftest.house", True, True),
        ("tests.e2e.mirror.Mirror.manage", True, True),
        ("tests.faults.postgres.Postgres", True, False),
        ("tests.architecture.test_pure_rooms.test_the_configuration_needs_no_django", True, False),
        ("tests.dashboard.in_a_browser.browser", True, False),
        # In the same files as others that do.
        ("tests.access.conftest.alice", False, False),
        ("tests.architecture.test_pure_rooms.ROOT", False, False),
        ("tests.e2e.processes.free_port", False, False),
        # Nothing that is not there can be reached.
        ("tests.access.conftest.nobody", False, False),
    ],
)
def test_it_is_followed(name: str, starts_programs: bool, starts_a_mirror: bool) -> None:
    reached = reach.of_name(name)

    assert (reached.starts_programs, reached.starts_a_mirror) == (starts_programs, starts_a_mirror)


def test_a_name_that_is_handed_on_is_found_where_it_stands() -> None:
    # `tests.e2e.mirror` has it from `tests.e2e.processes`.
    assert reach.of_name("tests.e2e.mirror.Daemon").starts_programs
    assert not reach.of_name("tests.e2e.mirror.free_port").starts_programs


def test_this_one_starts_none(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("programs") is None
