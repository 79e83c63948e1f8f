"""The overview: is the mirror healthy, what does it do, what does it save, what went wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from cache import wording
from cache.overview import health, janitor, traffic
from dashboard.charts import Chart, Series, draw
from dashboard.views.page import now, page, part, text_of


def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    moment = now()
    wanted = traffic.range_of(text_of(request.GET, "range"))
    return page(
        request,
        "overview.html",
        "Overview",
        ranges=traffic.RANGES,
        range=wanted,
        **_present(moment),
        **_past(wanted, moment),
    )


def overview_now(request: HttpRequest) -> HttpResponse:
    """Its upper part."""
    return part(request, "overview_now.html", **_present(now()))


def overview_past(request: HttpRequest) -> HttpResponse:
    """Its lower part."""
    wanted = traffic.range_of(text_of(request.GET, "range"))
    return part(request, "overview_past.html", **_past(wanted, now()))


def _present(moment: datetime) -> dict[str, Any]:
    found = health.pulses()
    living = health.living(found, moment)
    upstreams = health.upstreams(found)
    keeper = janitor.health(moment)
    disk = health.disk(moment, keeper)
    return {
        "verdict": health.verdict(upstreams, disk, keeper),
        "rates": traffic.rates(moment),
        "filling": len({one.digest for pulse in living for one in pulse.transfers}),
        "processes": len(living),
        "workers": health.workers(),
        "upstreams": upstreams,
        "disk": disk,
        "janitor": keeper,
    }


def _past(wanted: traffic.Range, moment: datetime) -> dict[str, Any]:
    steps = traffic.steps(wanted, moment)
    return {
        "totals": traffic.totals(steps),
        "bytes_chart": _bytes_chart(steps),
        "answers_chart": _answers_chart(steps),
        "pulls_chart": _pulls_chart(steps),
        "by_pulls": traffic.top_repositories(wanted, moment, "pulls"),
        "by_bytes": traffic.top_repositories(wanted, moment, "served"),
        "happenings": health.happenings(moment),
    }


def _bytes_chart(steps: list[traffic.Step]) -> Chart:
    series = [
        Series("To clients", "served", [step.served for step in steps]),
        Series("From upstream", "fetched", [step.fetched for step in steps]),
    ]
    return draw("Bytes", [step.start for step in steps], series, wording.size, binary=True)


def _answers_chart(steps: list[traffic.Step]) -> Chart:
    series = [
        Series("From here", "served", [step.hits for step in steps]),
        Series("From upstream", "fetched", [step.misses for step in steps]),
    ]
    return draw("Answers", [step.start for step in steps], series, wording.count, stacked=True)


def _pulls_chart(steps: list[traffic.Step]) -> Chart:
    series = [
        Series("Up to date", "plain", [step.pulls - step.stale for step in steps]),
        Series("Stale", "stale", [step.stale for step in steps]),
    ]
    return draw("Pulls", [step.start for step in steps], series, wording.count, stacked=True)
