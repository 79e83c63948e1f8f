"""A tag's window is that of the first rule whose pattern fits it, else the default."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.freshness import Windows
from cache.oci.pattern import Pattern
from cache.oci.reference import Tag

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOWS = Windows(
    HOUR,
    (
        (Pattern("v*.*.*-rc*"), MINUTE),
        (Pattern("v*.*.*"), DAY),
        (Pattern("latest"), timedelta(0)),
        (Pattern("v1*"), MINUTE),
    ),
)


@pytest.mark.parametrize(
    ("tag", "window"),
    [
        ("v1.2.3", DAY),
        ("v1.2.3-rc.1", MINUTE),
        ("v1.2", MINUTE),
        ("latest", timedelta(0)),
        ("latest2", HOUR),
        ("V1.2.3", HOUR),
    ],
)
def test_the_first_rule_that_fits_decides(tag: str, window: timedelta) -> None:
    assert WINDOWS.of(Tag(tag)) == window


def test_without_rules_every_tag_is_asked_for_at_every_pull() -> None:
    assert Windows().of(Tag("latest")) == timedelta(0)
