"""How every part of the mirror logs: to standard error, as text or as JSON, one line an event.

The code logs with the standard library; keyword values go in `extra`.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import structlog

from cache import logbook, request

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from cache.config import Log

_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}
# httpx and httpcore tell each request, with addresses that may hold a signature; a client's
# mistake is not the operator's news: django.security tells of some as errors.
_QUIET = {
    "httpx": "WARNING",
    "httpcore": "WARNING",
    "asyncio": "WARNING",
    "django.request": "ERROR",
    "django.security": "CRITICAL",
    # The mirror says itself who failed to sign in, and does not name who is nobody here.
    "axes": "ERROR",
}

_HANDLER = "stderr"
_FIRST = ("time", "level", "msg", "logger")

#: What logrus, with which Docker's registry logs, writes as it is. All else stands in quotes.
_BARE = re.compile(r"[A-Za-z0-9._/@^+-]+")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def dictionary(log: Log) -> dict[str, Any]:
    """The set-up that `logging.config.dictConfig` takes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"mirror": {"()": formatter, "log": log}},
        "filters": {"defects": {"()": lambda: tells_a_defect}},
        "handlers": {
            _HANDLER: {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "mirror",
            }
        },
        "root": {"level": _LEVELS[log.level], "handlers": [_HANDLER]},
        "loggers": {
            # Django would mail its errors, and filter them.
            "django": {"level": "NOTSET", "handlers": [], "propagate": True},
            **{name: {"level": quiet} for name, quiet in _QUIET.items()},
            "django.request": {"level": _QUIET["django.request"], "filters": ["defects"]},
        },
    }


def apply(log: Log) -> None:
    """Have this process log so from its next line on; what else was attached stays."""
    root = logging.getLogger()
    root.setLevel(_LEVELS[log.level])
    for handler in root.handlers:
        if handler.name == _HANDLER:
            handler.setFormatter(formatter(log))


def tells_a_defect(record: logging.LogRecord) -> bool:
    """Whether django.request tells of an exception, and not again of an answer of 500 or more."""
    return bool(record.exc_info and record.exc_info[0])


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Have no credential in a line, wherever it comes from: a library, a client's `Referer`."""
    for name, value in event.items():
        if name != "time" and not isinstance(value, int | float | None):
            # The name says what a value is: password=… is taken out together with it.
            event[name] = logbook.redact(f"{name}={value}").removeprefix(f"{name}=")
    return event


def name_request(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say on behalf of which request it is; Django's own word for one has its query in it."""
    event.pop("request", None)
    asked = request.current()
    if asked is not None:
        event["request"] = asked.id
    return event


def formatter(log: Log) -> logging.Formatter:
    """A formatter that adds the time, the level and the operator's own fields to every record."""

    def add_fields(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in log.fields.items():
            event.setdefault(name, value)
        return event

    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_request,
        structlog.processors.format_exc_info,
        hide_secrets,
        add_fields,
        structlog.processors.EventRenamer("msg"),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            renderer(log),
        ],
    )


def renderer(log: Log) -> structlog.typing.Processor:
    """What makes a line of an event."""
    if log.formatter == "json":
        return structlog.processors.JSONRenderer()
    return lambda _logger, _method, event: logfmt(event)


def logfmt(event: Mapping[str, Any]) -> str:
    """One line of `key=value` as logrus writes it, whatever the values hold.

    structlog's own renderer passes control characters on, with which a client could move the
    cursor of the terminal that shows the line, or begin another one.
    """
    first = [f"{name}={quoted(str(event[name]))}" for name in _FIRST if name in event]
    rest = [f"{name}={quoted(str(value))}" for name, value in event.items() if name not in _FIRST]
    return " ".join(first + rest)


def quoted(text: str) -> str:
    """The text as a value of logfmt: printable, and on one line."""
    if _BARE.fullmatch(text):
        return text
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else ascii(character)[1:-1]
