"""The server makes an answer's head in fewer steps than gunicorn, and no other one."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from hypothesis import example, given
from hypothesis import strategies as st

from mirrorsite import answering
from mirrorsite.answering import Answer

NAMES = st.sampled_from(
    ["ETag", "Content-Length", "content-length", "Connection", "Date", "X-A", "X_B", "A b", "Ä", ""]
)
PARTS = st.sampled_from(["12", "close", "a", "é", "😀", " ", "\t", "\r", "\n", ":", "\x7f", "\x00"])
VALUES = st.lists(PARTS, max_size=4).map("".join)
HEADERS = st.lists(st.tuples(NAMES | VALUES, VALUES), max_size=4)


@given(headers=HEADERS)
@example(headers=[("X-A", "x\rX-B\nstolen")])
@example(headers=[("X-A\nx\rX-B", "stolen")])
@example(headers=[("X-A", "x\r\nSet-Cookie: stolen")])
@example(headers=[("Content-Length", "5"), ("ETag", '"a"')])
@example(headers=[("Content-Length", "\u0665")])
@example(headers=[("Connection", "upgrade"), ("Upgrade", "websocket")])
def test_the_same_headers_are_taken_and_refused(headers: list[tuple[str, str]]) -> None:
    assert _taken(_made(Answer), headers) == _taken(_made(wsgi.Response), headers)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("headers", [[("Content-Length", "2")], [], [("Upgrade", "websocket")]])
def test_the_first_lines_are_the_same(
    version: tuple[int, int],
    closes: bool,
    headers: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # gunicorn looks at the clock itself.
    monkeypatch.setattr(wsgi.util, "http_date", lambda: "today")
    monkeypatch.setattr(answering, "http_date", lambda: "today")
    answering._date.cache_clear()
    ours, theirs = (_made(kind, version, closes) for kind in (Answer, wsgi.Response))
    for response in (ours, theirs):
        response.start_response("200 OK", list(headers))

    assert "".join(ours.default_headers()) == "".join(theirs.default_headers())
    answering._date.cache_clear()


def test_each_second_has_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_900_000_000.25
    monkeypatch.setattr(time, "time", lambda: now)
    answer = _made(Answer)
    answer.start_response("200 OK", [("Content-Length", "0")])

    for _ in range(3):
        assert _date_of(answer) == int(now)
        now += 0.75


def _date_of(answer: Answer) -> float:
    lines = dict(line.strip().partition(": ")[::2] for line in answer.default_headers()[1:])
    return parsedate_to_datetime(lines["Date"]).timestamp()


def _made(kind: Any, version: tuple[int, int] = (1, 1), closes: bool = False) -> Any:
    request = SimpleNamespace(method="GET", version=version, should_close=lambda: closes)
    return kind(request, None, Config())


def _taken(response: Any, headers: list[tuple[str, str]]) -> Any:
    try:
        response.process_headers(headers)
    except Exception as error:  # noqa: BLE001 - whatever it is, both are to say it
        return type(error)
    return response.headers, response.response_length, response.upgrade
