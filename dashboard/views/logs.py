"""The log of all processes, and the levels of its loggers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import wording
from cache.logbook import KINDS, LEVELS, CannotChange, Override, Query
from cache.models import Right
from dashboard.charts import Chart, Series, draw
from dashboard.queries import logs
from dashboard.views.page import needs, now, on_record, page, part, text_of

#: A live tail asks from a little before its latest record, for one that another process wrote late.
_OVERLAP = 3.0

#: For how long (seconds) a level can be changed; None is until it is changed back.
_DURATIONS = {"10m": 600.0, "1h": 3600.0, "always": None}


def overview(request: HttpRequest) -> HttpResponse:
    """The page: the newest records that fit the filter."""
    query = _query(request)
    return page(
        request,
        "logs.html",
        "Logs",
        records=logs.records(query),
        query=query,
        is_filtered=query != Query(level="info"),
        levels=LEVELS,
        kinds=KINDS,
        meanings=logs.LEVELS,
        filters=request.GET.urlencode(),
        chart=_chart(),
        limit=logs.LIMIT,
    )


def tail(request: HttpRequest) -> HttpResponse:
    """The records since the one that the page has last."""
    query = _query(request)
    return part(request, "log_rows.html", records=logs.records(query))


def counts(request: HttpRequest) -> HttpResponse:
    """The chart, which renews itself."""
    return part(request, "log_chart.html", chart=_chart())


def levels(request: HttpRequest) -> HttpResponse:
    """Each logger, its level and where that comes from."""
    return page(
        request,
        "log_levels.html",
        "Log levels",
        loggers=logs.loggers(now()),
        levels=LEVELS,
        may_change=request.user.has_perm("cache.change_log_levels"),
        history=_history(),
    )


@require_POST
@needs("cache.change_log_levels")
def change_level(request: HttpRequest) -> HttpResponse:
    """Change a logger's level for a while, or change it back."""
    logger, level = text_of(request.POST, "logger"), text_of(request.POST, "level")
    moment = now().timestamp()
    try:
        if level == "back":
            said = "Changed the level back."
            with on_record(request, "log level", logger, said):
                _change_back(logger, moment)
        else:
            until = _until(text_of(request.POST, "for"), moment)
            override = Override(level, until, request.user.get_username(), moment)
            said = f"Changed the level to {level} {_end(until)}."
            with on_record(request, "log level", logger, said):
                logs.levels().change(logger, override)
    except CannotChange as error:
        messages.error(request, f"Nothing was changed: {error}.")
    except OSError as error:
        messages.error(request, f"Nothing was changed: {error.strerror}.")
    else:
        messages.success(request, f"{logger}: {said} All processes follow within two seconds.")
    return HttpResponseRedirect(reverse("admin:log-levels"))


def _change_back(logger: str, moment: float) -> None:
    if not logs.levels().change_back(logger, moment):
        raise CannotChange(f"the level of {logger[:100]!r} is not changed, or not any more")


def _until(chosen: str, moment: float) -> float | None:
    if chosen not in _DURATIONS:
        raise CannotChange(f"for how long is not known: allowed are {', '.join(_DURATIONS)}")
    seconds = _DURATIONS[chosen]
    return None if seconds is None else moment + seconds


def _end(until: float | None) -> str:
    if until is None:
        return "until it is changed back"
    return f"until {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC"


def _history() -> list[LogEntry]:
    kind = ContentType.objects.get_for_model(Right)
    entries = LogEntry.objects.filter(content_type=kind, object_id="log level")
    return list(entries.select_related("user").order_by("-action_time")[:20])


def _query(request: HttpRequest) -> Query:
    level = text_of(request.GET, "level")
    wanted = text_of(request.GET, "request")
    # Who follows a request wants all of it.
    kind = text_of(request.GET, "kind") or ("all" if wanted else "events")
    try:
        after = max(0.0, float(text_of(request.GET, "after") or 0) - _OVERLAP)
    except ValueError:
        after = 0.0
    return Query(
        level=level if level in LEVELS else "info",
        logger=text_of(request.GET, "logger"),
        text=text_of(request.GET, "text"),
        request=wanted,
        after=after,
        kind=kind if kind in KINDS else "events",
    )


def _chart() -> Chart:
    counted = logs.counts(now())
    tones = {"info": "quiet", "warning": "fetched", "error": "stale", "critical": "stale"}
    series: list[Any] = [
        Series(
            level.capitalize(), tones.get(level, "plain"), [one.by_level[level] for one in counted]
        )
        for level in LEVELS
        if level in ("info", "warning", "error") or any(one.by_level[level] for one in counted)
    ]
    starts = [datetime.fromtimestamp(one.start, UTC) for one in counted]
    return draw("Records in each minute", starts, series, wording.count, stacked=True)
