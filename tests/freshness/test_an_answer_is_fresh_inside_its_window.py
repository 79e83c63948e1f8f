from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.freshness import Freshness, age, judge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("checked_ago", "window", "expected"),
    [
        (timedelta(0), HOUR, Freshness.FRESH),
        (HOUR - TICK, HOUR, Freshness.FRESH),
        (HOUR, HOUR, Freshness.STALE),
        (HOUR + TICK, HOUR, Freshness.STALE),
        (timedelta(days=9000), timedelta.max, Freshness.FRESH),
    ],
)
def test_the_window_decides(checked_ago: timedelta, window: timedelta, expected: Freshness) -> None:
    assert judge(NOW - checked_ago, NOW, window) is expected


def test_what_was_never_checked_is_unknown() -> None:
    assert judge(None, NOW, HOUR) is Freshness.UNKNOWN


@pytest.mark.parametrize("window", [timedelta(0), -HOUR])
def test_no_window_means_that_every_pull_asks(window: timedelta) -> None:
    assert judge(NOW, NOW, window) is Freshness.STALE


def test_a_check_in_the_future_is_not_trusted() -> None:
    assert judge(NOW + TICK, NOW, HOUR) is Freshness.STALE


@pytest.mark.parametrize(
    ("checked_ago", "seconds"),
    [
        (timedelta(0), 0),
        (timedelta(seconds=59, milliseconds=999), 59),
        (timedelta(days=2), 172_800),
        (-HOUR, 0),
    ],
)
def test_age_is_in_whole_seconds_and_never_negative(checked_ago: timedelta, seconds: int) -> None:
    assert age(NOW - checked_ago, NOW) == seconds


@given(
    checked_at=st.datetimes(timezones=st.just(UTC)),
    now=st.datetimes(timezones=st.just(UTC)),
    window=st.timedeltas(),
)
def test_any_times_are_judged(checked_at: datetime, now: datetime, window: timedelta) -> None:
    fresh = judge(checked_at, now, window) is Freshness.FRESH
    assert fresh == (checked_at <= now and now - checked_at < window)
    assert age(checked_at, now) >= 0
