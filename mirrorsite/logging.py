"""How every part of the mirror logs: to standard error, as text or as JSON, one line an event.

The code logs with the standard library; keyword values go in `extra`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from cache.api import path_tokens

if TYPE_CHECKING:
    import logging
    from collections.abc import MutableMapping

    from cache.config import Log

_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}
# httpx and httpcore tell each request, with addresses that may hold a signature; a client's
# mistake, which django.request reports, is not the operator's news.
_QUIET = {
    "httpx": "WARNING",
    "httpcore": "WARNING",
    "asyncio": "WARNING",
    "django.request": "ERROR",
    # The mirror says itself who failed to sign in, and does not name who is nobody here.
    "axes": "ERROR",
}


def dictionary(log: Log) -> dict[str, Any]:
    """The set-up that `logging.config.dictConfig` takes."""
    level = _LEVELS[log.level]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"mirror": {"()": formatter, "log": log}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "mirror",
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Django would mail its errors, and filter them.
            "django": {"level": level, "handlers": [], "propagate": True},
            **{name: {"level": quiet} for name, quiet in _QUIET.items()},
        },
    }


def hide_tokens(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Have no access token in a line, wherever it comes from: a library, a client's `Referer`."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = path_tokens.hide_tokens(value)
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
        add_fields,
        structlog.processors.format_exc_info,
        hide_tokens,
        structlog.processors.EventRenamer("msg"),
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log.formatter == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=("time", "level", "msg", "logger"), drop_missing=True
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
