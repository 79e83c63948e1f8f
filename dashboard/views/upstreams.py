"""Upstreams: how each is configured, how it answers, and a test of the way there."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from cache import wording
from cache.config import Proxy
from cache.diagnosis import Step
from cache.overview import health
from cache.overview.health import UpstreamHealth
from dashboard.charts import Chart, Series, draw
from dashboard.queries import upstreams
from dashboard.queries.upstreams import BadImage, Setting
from dashboard.views.page import needs, now, page, text_of


@dataclass(frozen=True, slots=True)
class Shown:
    """An upstream on the page, with the steps of a test that was just made."""

    name: str
    health: UpstreamHealth
    settings: list[Setting]
    image: str
    chart: Chart | None = None
    steps: list[Step] | None = None


def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    return _page(request, {})


@require_POST
@needs("cache.test_upstreams")
def test_connection(request: HttpRequest) -> HttpResponse:
    """The page again, with each step of the way to one upstream."""
    wanted = text_of(request.POST, "upstream")
    proxy = next((one for one in upstreams.configured() if one.name == wanted), None)
    if proxy is None:
        raise Http404
    image = text_of(request.POST, "image")
    try:
        return _page(request, {proxy.name: (image, upstreams.examine(proxy, image))})
    except BadImage as error:
        messages.error(request, f"Nothing was tested: {error}.")
        return _page(request, {})


def _page(request: HttpRequest, tested: dict[str, tuple[str, list[Step]]]) -> HttpResponse:
    answers = {one.name: one for one in health.upstreams(health.pulses())}
    charts = _charts()
    return page(
        request,
        "upstreams.html",
        "Upstreams",
        upstreams=[_shown(proxy, answers, charts, tested) for proxy in upstreams.configured()],
    )


def _shown(
    proxy: Proxy,
    answers: dict[str, UpstreamHealth],
    charts: dict[str, Chart],
    tested: dict[str, tuple[str, list[Step]]],
) -> Shown:
    image, steps = tested.get(proxy.name, (None, None))
    return Shown(
        name=proxy.name,
        health=answers[proxy.name],
        settings=upstreams.settings(proxy),
        image=upstreams.image_to_ask_for(proxy) if image is None else image,
        chart=charts.get(proxy.name),
        steps=steps,
    )


def _charts() -> dict[str, Chart]:
    """What was left of each quota, where one is known."""
    names = [one.name for one in upstreams.configured()]
    return {
        name: draw(
            "Quota left",
            [step.start for step in steps],
            [
                Series("Left", "served", [step.remaining for step in steps]),
                Series("In all", "quiet", [step.total for step in steps]),
            ],
            wording.count,
        )
        for name, steps in upstreams.quota_steps(names, now()).items()
    }
