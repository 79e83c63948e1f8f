"""Headers of the answers that pulls are given, at what a dictionary costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from django.http.response import HttpResponseBase, ResponseHeaders

_R = TypeVar("_R", bound=HttpResponseBase)


class PulledHeaders(ResponseHeaders):
    """Django's, for what we have made of things that were parsed: nothing needs to be encoded.

    A header that is none is refused by the server, and by Django's own class before that if it
    comes from elsewhere.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({})
        for name, value in headers.items():
            self[name] = value

    def __setitem__(self, name: str, value: str) -> None:  # type: ignore[override]  # no bytes
        self._store[name.lower()] = name, value

    def copy(self) -> PulledHeaders:
        """The same headers, to which others can be added."""
        made = PulledHeaders({})
        made._store = dict(self._store)
        return made

    def pairs(self) -> Iterable[tuple[str, str]]:
        """Names and values, without a look for each name."""
        return self._store.values()


def headed(response: _R, headers: Mapping[str, str]) -> _R:
    """The response, with these headers in place of all that it had."""
    kept = headers.copy() if isinstance(headers, PulledHeaders) else PulledHeaders(headers)
    response.headers = kept
    return response


def pairs(response: HttpResponseBase) -> list[tuple[str, str]]:
    """The response's headers, as WSGI wants them."""
    headers = response.headers
    return list(headers.pairs() if isinstance(headers, PulledHeaders) else headers.items())
