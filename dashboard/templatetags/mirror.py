"""Filters and tags of the dashboard's templates."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cache import wording
from cache.models import Removal
from dashboard.queries import purges

register = template.Library()

register.filter("size", wording.size)
register.filter("rate", wording.rate)
register.filter("count", wording.count)
register.filter("percent", wording.percent)
register.filter("duration", wording.duration)


@register.filter
def moment(value: datetime | float | None, form: str = "full") -> SafeString | str:
    """A time, which the page's script writes in the viewer's zone; the exact one on hover.

    ``form`` is `full`, `time`, `clock` (with seconds), `day` or `ago`.
    """
    if value is None:
        return wording.NOTHING
    at = datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value
    exact = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-form="{}" title="{}">{}</time>',
        exact.isoformat(timespec="milliseconds"),
        form,
        exact.strftime("%Y-%m-%d %H:%M:%S UTC"),
        exact.strftime("%Y-%m-%d %H:%M UTC"),
    )


@register.filter
def epoch(value: datetime) -> int:
    """A moment for the page's script, in milliseconds since the epoch."""
    return round(value.timestamp() * 1000)


@register.filter
def wide(part: float) -> str:
    """A part of one as a length in a style or an SVG: `37.5`."""
    return f"{min(1.0, max(0.0, part)) * 100:.1f}"


@register.filter
def short(digest: str) -> str:
    """A digest that fits into a line; the whole stands beside it in a title."""
    algorithm, _, hexadecimal = digest.partition(":")
    return f"{algorithm}:{hexadecimal[:12]}" if hexadecimal else digest


@register.filter
def removed(row: Removal) -> str:
    """What a record of a removal speaks of."""
    return purges.title_of_content(row.upstream, row.repository, row.tags, row.digest)


@register.inclusion_tag("dashboard/chart.html")
def chart(drawn: object, name: str) -> dict[str, object]:
    """A drawn chart; ``name`` is an id of its own on the page."""
    return {"chart": drawn, "name": name}
