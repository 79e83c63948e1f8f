"""One line for each request, when all of its answer has left: the access log.

It takes a way of its own to standard error, past the records of logging: those cost several times
as much, and a warm pull costs little.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from cache.logbook import BROKEN_OFF, COMPLETED, REQUESTS_LOGGER, fields_of_request, shown
from mirrorsite.logging import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cache.config import Log
    from cache.request import Request

log = logging.getLogger(REQUESTS_LOGGER)

_STDERR = 2
_ALWAYS = ("time", "level", "msg", "logger", "request")

#: What clients say is much the same from one request to the next: so many of its words are kept
#: as they are written.
_MOST_WORDS = 2048


def _to_stderr(line: bytes) -> None:
    # One write(2) a line, so that no other process's line gets into it. Nobody is left to be told
    # if it fails.
    with suppress(OSError):
        os.write(_STDERR, line)


class RequestLog:
    """Writes the lines, in the form and with the fields of ``log``.

    ``keep``, if set, is shown each request that leaves a line. The level is `info`, the logger's
    name :data:`REQUESTS_LOGGER`, as if they were records. Thread-safe.
    """

    def __init__(
        self,
        settings: Log,
        keep: Callable[[Request], None] | None = None,
        write: Callable[[bytes], None] = _to_stderr,
    ) -> None:
        self.settings = settings
        self.keep = keep
        self._write = write
        self._second: tuple[int, str] = (0, "")

    def __call__(self, request: Request) -> None:
        """A request has ended."""
        settings = self.settings
        if not settings.requests or not log.isEnabledFor(logging.INFO):
            return
        said = BROKEN_OFF if request.cut else COMPLETED
        made = _as_json if settings.formatter == "json" else _as_text
        line = made(self._time(), said, request, settings.fields)
        self._write(line.encode())
        if self.keep is not None:
            self.keep(request)

    def _time(self) -> str:
        """As the records have it, with the costly part made once a second."""
        now = time.time()
        second, text = self._second
        if int(now) != second:
            second, text = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._second = second, text
        return f"{text}.{int((now - second) * 1e6):06d}Z"


@functools.lru_cache(_MOST_WORDS)
def _word(text: str) -> str:
    return quoted(shown(text))


@functools.lru_cache(_MOST_WORDS)
def _string(text: str) -> str:
    return json.dumps(shown(text))


def _as_text(time: str, said: str, request: Request, fields: Mapping[str, str]) -> str:
    told = fields_of_request(request, _word)
    values = [f"{name}={value}" for name, value in told]
    values += [f"{name}={quoted(value)}" for name, value in _own(fields, told)]
    return (
        f'time="{time}" level=info msg="{said}" logger={REQUESTS_LOGGER} '
        f"{' '.join(values)} request={quoted(request.id)}\n"
    )


def _as_json(time: str, said: str, request: Request, fields: Mapping[str, str]) -> str:
    told = fields_of_request(request, _string)
    values = [f'"{name}": {value}' for name, value in told]
    values += [f'"{name}": {json.dumps(value)}' for name, value in _own(fields, told)]
    return (
        f'{{"time": "{time}", "level": "info", "msg": "{said}", "logger": "{REQUESTS_LOGGER}", '
        f'{", ".join(values)}, "request": "{request.id}"}}\n'
    )


def _own(fields: Mapping[str, str], told: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The operator's fields, but for those whose name is taken."""
    if not fields:
        return []
    taken = {*_ALWAYS, *(name for name, _ in told)}
    return [(name, value) for name, value in fields.items() if name not in taken]
