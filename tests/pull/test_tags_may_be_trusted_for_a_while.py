"""`proxy.freshness`: a tag's answer is given again without asking, until the window is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cache import runtime
from cache.access.decision import ANONYMOUS
from cache.freshness import Windows
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome, resolve_manifest
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds_later", "outcome"),
    [(0, Outcome.HIT), (59, Outcome.HIT), (61, Outcome.REVALIDATED), (-1, Outcome.REVALIDATED)],
)
def test_the_window(
    mirror: Runtime, upstream: FakeUpstream, seconds_later: int, outcome: Outcome
) -> None:
    upstream.add_image("a/b", "v1")
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))
    proxy = replace(mirror.config.proxy, freshness=Windows(timedelta(minutes=1)))
    config = replace(mirror.config, proxy=proxy)
    with runtime.using(replace(mirror, config=config, now=lambda: START)):
        resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
    later = START + timedelta(seconds=seconds_later)
    with runtime.using(replace(mirror, config=config, now=lambda: later)):
        assert resolve_manifest(ANONYMOUS, repository, Tag("v1"), None).outcome is outcome
