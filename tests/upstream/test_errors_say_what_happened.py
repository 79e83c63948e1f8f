from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cache.upstream import errors
from cache.upstream.statuses import parse_retry_after
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE, LATEST


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (204, errors.BadAnswer, False),
        (300, errors.BadAnswer, False),
        (304, errors.BadAnswer, False),
        (400, errors.BadAnswer, False),
        (401, errors.Denied, False),
        (403, errors.Denied, False),
        (404, errors.NotFound, False),
        (408, errors.TimedOut, True),
        (416, errors.BadAnswer, False),
        (418, errors.BadAnswer, False),
        (429, errors.RateLimited, True),
        (500, errors.ServerFailed, True),
        (502, errors.ServerFailed, True),
        (503, errors.ServerFailed, True),
        (504, errors.ServerFailed, True),
        (999, errors.BadAnswer, False),
    ],
)
def test_a_status_is_an_error(
    registry: FakeUpstream,
    connect: Connect,
    status: int,
    expected: type[errors.UpstreamError],
    retryable: bool,
) -> None:
    registry.misbehave(Fault(status=status, body=b"secret=hunter2"))
    upstream = connect(registry)

    for ask in (upstream.get_manifest, upstream.head_manifest):
        with pytest.raises(expected) as raised:
            ask(ALPINE, LATEST)

        assert raised.value.retryable is retryable
        assert f"{registry.host}:{registry.port}" in str(raised.value)
        assert "hunter2" not in str(raised.value)


def test_a_denial_says_whether_we_are_known(registry: FakeUpstream, connect: Connect) -> None:
    registry.misbehave(Fault(status=403), times=1)
    upstream = connect(registry)

    with pytest.raises(errors.Denied) as denied:
        upstream.ping()

    assert not denied.value.unauthenticated


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "NAME_UNKNOWN"),
        (b'{"errors":[{"code":"<script>"}]}', None),
        (b'{"errors":[{"code":7}]}', None),
        (b'{"errors":{}}', None),
        (b'{"errors":[]}', None),
        (b"[" * 60_000, None),
        (b"\xff", None),
        (b" " * 200_000, None),
    ],
)
def test_only_a_known_code_is_passed_on(
    registry: FakeUpstream, connect: Connect, body: bytes, code: str | None
) -> None:
    registry.misbehave(Fault(status=404, body=body))

    with pytest.raises(errors.NotFound) as raised:
        connect(registry).get_manifest(ALPINE, LATEST)

    assert raised.value.code == code


NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 90 ", 90.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),
        ("Sun Mar  1 12:01:30 2026", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 86400.0),
        ("9" * 5000, 86400.0),
        ("\u0663", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_an_upstream_that_is_off_is_unreachable_until_it_is_on(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    upstream = connect(registry)
    upstream.head_manifest(ALPINE, LATEST)

    registry.stop()
    with pytest.raises(errors.Unreachable, match="connection refused") as raised:
        upstream.head_manifest(ALPINE, LATEST)
    assert raised.value.retryable

    registry.start()
    assert upstream.head_manifest(ALPINE, LATEST).digest is not None


def test_a_name_nobody_knows_is_unreachable(registry: FakeUpstream, connect: Connect) -> None:
    away = Fault(status=307, headers={"Location": "http://registry.invalid/x"})
    registry.misbehave(away)

    with pytest.raises(errors.Unreachable, match=r"registry\.invalid"):
        connect(registry).ping()


def test_failing_tls_is_unreachable(registry: FakeUpstream, connect: Connect) -> None:
    tls = Fault(status=307, headers={"Location": f"https://{registry.host}:{registry.port}/x"})
    registry.misbehave(tls)

    with pytest.raises(errors.Unreachable, match="TLS failed"):
        connect(registry).ping()


def test_a_connection_that_closes_without_an_answer(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.misbehave(Fault(cut_after=-1))

    with pytest.raises(errors.Unreachable, match="without an answer"):
        connect(registry).ping()


def test_a_reset_before_the_answer(registry: FakeUpstream, connect: Connect) -> None:
    registry.misbehave(Fault(cut_after=-1, reset=True))

    with pytest.raises(errors.Unreachable):
        connect(registry).ping()


def test_a_web_page_is_no_registry(registry: FakeUpstream, connect: Connect) -> None:
    page = Fault(status=200, headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>")
    registry.misbehave(page)
    upstream = connect(registry)

    for ask in (
        upstream.ping,
        lambda: upstream.head_manifest(ALPINE, LATEST),
        lambda: upstream.get_manifest(ALPINE, LATEST),
        lambda: upstream.head_blob(ALPINE, ABSENT),
        lambda: upstream.open_blob(ALPINE, ABSENT).__enter__(),
        lambda: upstream.list_tags(ALPINE),
        lambda: upstream.list_referrers(ALPINE, ABSENT),
    ):
        with pytest.raises(errors.BadAnswer):
            ask()


def test_compression_that_was_refused_is_a_bad_answer(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", b"layer")
    registry.misbehave(Fault(headers={"Content-Encoding": "gzip"}))

    with pytest.raises(errors.BadAnswer), connect(registry).open_blob(ALPINE, digest):
        pass


def test_after_close_nothing_is_asked(registry: FakeUpstream, connect: Connect) -> None:
    upstream = connect(registry)
    upstream.close()

    with pytest.raises(errors.Unreachable):
        upstream.ping()

    assert registry.count() == 0
