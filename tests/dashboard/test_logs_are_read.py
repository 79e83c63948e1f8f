"""The log's page: what is new, what fits, and what to make of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.test import Client

from cache import logbook, request
from cache.logbook import Query, Writer
from cache.request import Request
from cache.runtime import Runtime
from tests.dashboard.conftest import SignedIn

LOGS = "/dashboard/logs/"


@pytest.fixture
def viewer(signed_in: SignedIn) -> Client:
    return signed_in("viewer")


@pytest.fixture
def log(mirror: Runtime) -> Iterator[Writer]:
    writer = Writer(logbook.folder_of(mirror.config.storage.root))
    yield writer
    writer.close()


def write(log: Writer, level: int, message: str, logger: str = "cache.pull") -> None:
    log.handle(logging.LogRecord(logger, level, "", 0, message, None, None))


def page(client: Client, query: str = "") -> str:
    return client.get(f"{LOGS}{query}").content.decode()


def test_the_records_of_the_mirror_are_shown(viewer: Client, log: Writer) -> None:
    write(log, logging.WARNING, "something odd <b>here</b>")
    shown = page(viewer)
    assert "something odd &lt;b&gt;here&lt;/b&gt;" in shown
    assert "cache.pull" in shown


def test_a_record_that_only_looks_bad_is_marked(viewer: Client, log: Writer) -> None:
    write(log, logging.WARNING, "docker.io/library/busybox:latest is served stale: no answer")
    assert "Clients got the last known answer" in page(viewer)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"a warning", "an info"}),
        ("?level=warning", {"a warning"}),
        ("?level=debug", {"a warning", "an info", "a debug"}),
        ("?level=debug&text=debug", {"a debug"}),
        ("?level=nonsense", {"a warning", "an info"}),
        ("?logger=cache.upstream", {"an info"}),
        ("?text=%00&request=x", set()),
    ],
)
def test_a_filter_narrows_it(viewer: Client, log: Writer, query: str, found: set[str]) -> None:
    write(log, logging.WARNING, "a warning")
    write(log, logging.INFO, "an info", "cache.upstream.breaker")
    write(log, logging.DEBUG, "a debug")
    shown = page(viewer, query)
    assert {text for text in ("a warning", "an info", "a debug") if text in shown} == found


def test_the_tail_has_what_came_since(viewer: Client, log: Writer, mirror: Runtime) -> None:
    write(log, logging.INFO, "long ago")
    (entry,) = logbook.read(logbook.folder_of(mirror.config.storage.root), Query(), 1)
    assert "long ago" in page(viewer, f"tail/?after={entry.at}")  # a record may come late
    assert "long ago" not in page(viewer, f"tail/?after={entry.at + 60}")
    assert "long ago" in page(viewer, "tail/?after=nonsense")


def test_an_empty_log_says_what_to_do(viewer: Client, mirror: Runtime) -> None:
    assert "No record fits" in page(viewer)
    assert "Clear the filter" in page(viewer, "?text=nothing")


def test_requests_are_shown_to_who_asks_for_them(viewer: Client, log: Writer) -> None:
    """Each leaves a line: they would be all that is to be seen."""
    write(log, logging.WARNING, "an event")
    log.note(Request("the-name", "GET", "/v2/<b>/manifests/v1", "10.0.0.7", status=404))
    log.flush()

    shown = page(viewer)
    assert "an event" in shown
    assert "10.0.0.7" not in shown
    for query in ("?kind=requests", "?request=the-name", "?kind=all&text=10.0.0.7"):
        shown = page(viewer, query)
        assert "response completed: 404" in shown
        assert "client=10.0.0.7" in shown
        assert "GET /v2/&lt;b&gt;/manifests/v1" in shown
        assert "an event" not in shown
    assert "an event" in page(viewer, "?kind=all")
    assert "an event" in page(viewer, "?kind=nonsense")


def test_the_line_of_a_page_names_who_looked(viewer: Client) -> None:
    asked = Request("a-page")
    request.begin(asked)
    page(viewer)
    request.begin(None)
    assert asked.user == "the-viewer"
