from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.upstream.challenge import Challenge, choose, parse_challenges


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'Bearer realm="https://a.example/t",service="s",scope="repository:a/b:pull,push"',
            {"realm": "https://a.example/t", "service": "s", "scope": "repository:a/b:pull,push"},
        ),
        ('bEARER REALM="x"', {"realm": "x"}),
        ('Bearer realm = "x" ,\t service\t="y"', {"realm": "x", "service": "y"}),
        (
            "Bearer realm=https://a.example/t?a=b, service=s",
            {"realm": "https://a.example/t?a=b", "service": "s"},
        ),
        (r'Bearer realm="a\"b\\c, d"', {"realm": 'a"b\\c, d'}),
        ('Bearer realm="x" service="y"', {"realm": "x", "service": "y"}),
        ('Bearer realm="x",service=""', {"realm": "x", "service": ""}),
        (', ,Bearer realm="x",,', {"realm": "x"}),
        ('Bearer realm="x", realm="y"', {"realm": "x"}),
        ('Bearer realm="x", error="insufficient_scope', {"realm": "x"}),
    ],
)
def test_a_bearer_challenge(line: str, expected: dict[str, str]) -> None:
    assert parse_challenges([line]) == [Challenge("bearer", expected)]


def test_several_challenges_in_one_line() -> None:
    line = 'Basic realm="a, Bearer realm=\\"b\\"", Negotiate YWJj==, NTLM, Bearer realm="c"'

    assert parse_challenges([line]) == [
        Challenge("basic", {"realm": 'a, Bearer realm="b"'}),
        Challenge("negotiate"),
        Challenge("ntlm"),
        Challenge("bearer", {"realm": "c"}),
    ]


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        (['Basic realm="a"', 'Bearer realm="b"'], "bearer"),
        (['Bearer service="s"', "Basic"], "basic"),
        (["Negotiate, Digest realm=x"], None),
        (["", ",", '"', "=", "\u00e9"], None),
        (["Bearer realm=" + "x" * 20_000, "Basic realm=x"], "basic"),
    ],
)
def test_bearer_is_preferred_and_needs_a_realm(lines: list[str], scheme: str | None) -> None:
    chosen = choose(parse_challenges(lines))

    assert (chosen.scheme if chosen else None) == scheme


@given(st.lists(st.text(alphabet='aB="\\, \t/=:;', max_size=60), max_size=3))
def test_nothing_makes_it_fail(lines: list[str]) -> None:
    for challenge in parse_challenges(lines):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize("piece", ["a ", "a=", 'a="', "\\", ",", 'a="\\"'])
def test_long_lines_are_read_quickly(piece: str) -> None:
    line = "Bearer " + piece * (16_000 // len(piece))
    before = time.process_time()

    parse_challenges([line])

    # Thousands of times what it takes; a pattern that backtracks needs minutes.
    assert time.process_time() - before < 5
