"""Where metrics may be read: distribution's `http.debug`, and a token of our own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cache.config import upstream_values, values
from cache.config.shape import Address, Metrics
from cache.config.values import Refused

if TYPE_CHECKING:
    from cache.config.document import Scalar
    from cache.config.sources import Answers

_DEBUG = ("http", "debug")
_PROMETHEUS = (*_DEBUG, "prometheus")

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]{1,100}){1,10}")
#: What stands below these is answered by others.
_TAKEN = frozenset({"v2", "t", "dashboard", "static", "healthz", "readyz"})

#: RFC 6750 section 2.1; shorter ones could be guessed.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,4096}=*")


def read(answers: Answers, main: Address) -> Metrics:
    """What is set; `main` is where everybody else asks.

    Nothing is shown unless the operator said so, and said to whom: who reaches an address of its
    own, or who has a token.
    """
    enabled = answers.take((*_PROMETHEUS, "enabled"), values.boolean, default=False)
    addr = answers.take((*_DEBUG, "addr"), _address, None)
    path = answers.take((*_PROMETHEUS, "path"), _path, Metrics().path)
    token = _read_token(answers)
    if not enabled:
        _warn_of_the_rest(answers)
        return Metrics()
    has_place = answers.is_set((*_DEBUG, "addr"))
    if not has_place and not _has_token(answers):
        answers.problem(
            answers.found[*_PROMETHEUS, "enabled"].source,
            (*_PROMETHEUS, "enabled"),
            "true, and nothing that says who may read",
            "http.debug.addr, an address of its own, or http.debug.prometheus.token",
        )
    if addr is not None and addr.port == main.port and _overlap(addr.host, main.host):
        source = answers.found[*_DEBUG, "addr"].source
        answers.problem(source, (*_DEBUG, "addr"), "the address of http.addr", "another one")
    return Metrics(enabled, addr, path, token)


def _warn_of_the_rest(answers: Answers) -> None:
    for path in answers.under(_DEBUG):
        if answers.is_set(path) and path != (*_PROMETHEUS, "enabled"):
            answers.warnings.append(
                f"{answers.found[path].source}: {'.'.join(path)}: ignored: there are only metrics "
                "to be read there, and http.debug.prometheus.enabled is not true"
            )


def _has_token(answers: Answers) -> bool:
    return any(answers.is_set((*_PROMETHEUS, key)) for key in ("token", "token_file"))


def _read_token(answers: Answers) -> str:
    token_file = (*_PROMETHEUS, "token_file")
    if answers.is_set((*_PROMETHEUS, "token")) and answers.is_set(token_file):
        found = "a file besides http.debug.prometheus.token"
        answers.problem(answers.found[token_file].source, token_file, found, "one of them")
    return answers.take((*_PROMETHEUS, "token"), _token, "") or answers.take(
        token_file, _token_file, ""
    )


def _address(value: Scalar) -> Address | None:
    return values.address(value)


def _path(value: Scalar) -> str:
    if not _PATH.fullmatch(value.text):
        raise Refused("a path such as /metrics, of letters, digits, '.', '_', '~' and '-'")
    parts = value.text.split("/")
    if parts[1] in _TAKEN or {".", ".."} & set(parts):
        raise Refused("a path that nothing else answers")
    return value.text


def _token(value: Scalar) -> str:
    return _checked(value.text)


def _token_file(value: Scalar) -> str:
    return _checked(upstream_values.secret_file(value))


def _checked(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Refused(
            "a token of at least 16 letters, digits and -._~+/, such as `openssl rand -hex 32` "
            "makes",
            upstream_values.HIDDEN,
        )
    return token


def _overlap(one: str, other: str) -> bool:
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - addresses that take in all others
    return one == other or one in everywhere or other in everywhere
