"""Durations and addresses have the forms that Go, in which distribution is written, gives them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config import Address
from cache.config.document import Scalar
from cache.config.values import Refused, address, duration


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("168h", timedelta(hours=168)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5s", timedelta(milliseconds=1500)),
        (".5h", timedelta(minutes=30)),
        ("1.h", timedelta(hours=1)),
        ("100ms", timedelta(milliseconds=100)),
        ("5us", timedelta(microseconds=5)),
        ("5µs", timedelta(microseconds=5)),
        ("1999ns", timedelta(microseconds=1)),
        ("+1m", timedelta(minutes=1)),
        ("1s1h", timedelta(hours=1, seconds=1)),
        ("24h0m0s", timedelta(days=1)),
        ("2562047h", timedelta(hours=2562047)),
    ],
)
def test_durations(written: str, meant: timedelta) -> None:
    assert duration(Scalar(written)) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1",
        "h",
        ".h",
        "1 h",
        "1h ",
        "-1s",
        "1d",
        "1e3s",
        "\uff11h",
        "1h30",
        "++1s",
        "2562048h",
        "9" * 99,
    ],
)
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(Refused):
        duration(Scalar(written))


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        (":5000", "", 5000),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:5000", "::1", 5000),
        ("[fe80::1%eth0]:5000", "fe80::1%eth0", 5000),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_addresses(written: str, host: str, port: int) -> None:
    read = address(Scalar(written))

    assert read == Address(host, port)
    assert str(read) == written
