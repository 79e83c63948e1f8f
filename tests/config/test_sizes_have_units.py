"""Sizes are written with a unit, decimal or binary, and mean what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config.document import Scalar
from cache.config.values import Refused, rate, size
from tests.config.conftest import Read


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0B", 0),
        ("1B", 1),
        ("500KB", 500_000),
        ("500KiB", 512_000),
        ("20MB", 20_000_000),
        ("20MiB", 20_971_520),
        ("20 MiB", 20_971_520),
        ("1GB", 1_000_000_000),
        ("1GiB", 1_073_741_824),
        ("1.5GiB", 1_610_612_736),
        ("0.1KB", 100),
        ("2TB", 2_000_000_000_000),
        ("2TiB", 2_199_023_255_552),
    ],
)
def test_sizes(written: str, meant: int) -> None:
    assert size(Scalar(written)) == meant


@pytest.mark.parametrize(
    "written",
    ["", "0", "20", "B", "MiB", "-1MiB", "1mib", "1M", "1Mi", "1iB", "1PiB", "1e3MB",
     "1MiB/s", "1  MiB", " 1MiB", "1MiB ", ".5MB", "1.MB",
     "\uff11MiB", f"{'9' * 40}B"],
)  # fmt: skip
def test_what_is_no_size(written: str) -> None:
    with pytest.raises(Refused):
        size(Scalar(written))


def test_a_rate_can_be_too_low_to_get_anywhere() -> None:
    assert rate(Scalar("64KiB")) == 65_536
    with pytest.raises(Refused):
        rate(Scalar("65535B"))


def test_the_scrub_is_weekly_and_slow_unless_told_otherwise(read: Read) -> None:
    scrub = read().storage.scrub
    assert (scrub.interval, scrub.rate) == (timedelta(hours=168), 20 * 1024**2)

    told = read("storage: {scrub: {interval: 0, rate: 1GB}}").storage.scrub
    assert (told.interval, told.rate) == (timedelta(0), 10**9)


def test_the_scrubs_variables(read: Read) -> None:
    environ = {"REGISTRY_STORAGE_SCRUB_INTERVAL": "24h", "REGISTRY_STORAGE_SCRUB_RATE": "5MiB"}

    scrub = read("", environ).storage.scrub

    assert (scrub.interval, scrub.rate) == (timedelta(hours=24), 5 * 1024**2)
