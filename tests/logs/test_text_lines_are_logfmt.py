"""Text is logfmt as logrus writes it, on one line, whatever stands in a value."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest

from cache.config import Log
from cache.request import Request
from mirrorsite.logging import formatter, quoted
from mirrorsite.request_log import RequestLog

EVIL = [
    'x" level=error msg="forged',
    "line\nlevel=error msg=forged",
    "line\rlevel=error",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "\u2028level=error",
    "\u202egnp.exe",
    "back\\slash\\n",
    "\x00\x7f\t",
    "\udcff",
    "",
    "=",
]

#: A line is pairs; a value is a bare word, or in quotes with escapes.
PAIR = re.compile(r'([\w.-]+)=("(?:[^"\\]|\\.)*"|[A-Za-z0-9._/@^+-]+)(?: |$)')


def pairs(line: str) -> list[tuple[str, str]]:
    """The line's pairs; fails if it holds anything else."""
    assert line.isprintable(), ascii(line)
    found, position = [], 0
    while position < len(line):
        match = PAIR.match(line, position)
        assert match, line[position:]
        found.append((match[1], match[2]))
        position = match.end()
    return found


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cache.x", logging.INFO, "", 0, message, None, None)
    vars(made).update(extra)
    return made


def request_line(request: Request, **settings: str) -> str:
    written: list[bytes] = []
    log = logging.getLogger("mirrorsite.requests")
    log.setLevel(logging.INFO)
    try:
        RequestLog(Log(**settings), lambda _: None, written.append)(request)  # type: ignore[arg-type]  # one of two words
    finally:
        log.setLevel(logging.NOTSET)
    (line,) = written
    assert line.endswith(b"\n")
    return line.decode()[:-1]


def test_it_begins_as_dockers_registry_does() -> None:
    line = formatter(Log()).format(record("a thing happened", size=7))

    assert re.fullmatch(
        r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z" level=info msg="a thing happened" '
        r"logger=cache\.x size=7",
        line,
    )


def test_a_requests_line_begins_so_too() -> None:
    line = request_line(Request("id", "GET", "/v2/"))

    assert re.match(
        r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z" level=info msg="response completed" '
        r"logger=mirrorsite\.requests method=GET path=/v2/ ",
        line,
    )


@pytest.mark.parametrize("text", EVIL)
def test_no_value_breaks_out_of_a_record(text: str) -> None:
    line = formatter(Log()).format(record("said %s", args=(text,), note=text))

    assert [name for name, _ in pairs(line)] == ["time", "level", "msg", "logger", "note"]
    assert json.loads(formatter(Log(formatter="json")).format(record("x", note=text)))["note"] == (
        text
    )


@pytest.mark.parametrize("text", EVIL)
def test_no_value_breaks_out_of_a_requests_line(text: str) -> None:
    evil = Request("id", text, text, "10.0.0.1", text, text, None, text, status=404)
    names = [
        *("time", "level", "msg", "logger", "method", "path", *(["reference"] if text else [])),
        *("status", "bytes", "duration", "client", *(["user", "agent"] if text else []), "request"),
    ]

    line = request_line(evil)

    assert [name for name, _ in pairs(line)] == names
    as_json = request_line(evil, formatter="json")
    assert as_json.isascii()
    assert as_json.isprintable()
    assert [*json.loads(as_json)] == names


def test_a_traceback_stays_on_its_line() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        told = record("it broke")
        told.exc_info = sys.exc_info()

    line = formatter(Log()).format(told)

    assert dict(pairs(line))["exception"].startswith('"Traceback (most recent call last):\\n')


def test_text_beyond_ascii_is_shown_as_it_was_meant() -> None:
    path = "/grüße".encode().decode("latin-1")  # as WSGI has it

    assert 'path="/grüße"' in request_line(Request("id", "GET", path))


def test_the_operators_fields_replace_none_of_ours() -> None:
    line = request_line(Request("id", "GET", "/v2/"), fields={"site": "north", "status": "7"})  # type: ignore[arg-type]  # a mapping

    assert dict(pairs(line))["status"] == "0"
    assert dict(pairs(line))["site"] == "north"
    assert line.count("status=") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("v1.2_3-x/y@z^+", "v1.2_3-x/y@z^+"),
        ("sha256:00", '"sha256:00"'),
        ("", '""'),
        ("grüße", '"grüße"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("\x1b", '"\\x1b"'),
    ],
)
def test_quoting(text: str, written: str) -> None:
    assert quoted(text) == written
