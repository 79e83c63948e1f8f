"""Upstreams: what is configured for each, without secrets, and whether it can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cache import diagnosis, runtime, wording
from cache.config import Exec, Proxy
from cache.diagnosis import Step
from cache.freshness import Windows
from cache.models import QuotaSample
from cache.models import Tag as TagRow
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag, hub_name

#: What a secret is shown as.
MASKED = "set, not shown"

#: What it means that an option is not set, if it is more than that there is none.
_UNSET = {
    "registry": "what remoteurl says",
    "username": "anonymous",
    "exec.lifetime": "until upstream refuses it",
    "auth_realm": "only its own domain",
    "ca": "the system's",
    "proxy": "what the environment says",
    "bandwidth": "no bound",
    "allow": "everything",
    "deny": "nothing",
    "ttl": "for ever",
}
_TRUE = {
    "insecure_skip_verify": "true: anyone may pose as it",
    "offline": "true: it is never asked",
}

_HUB_IMAGE = ("library/busybox", "latest")


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the configuration in force."""

    name: str
    value: str


#: The chart of a quota has a step for each sample.
_STEP = timedelta(minutes=10)
_STEPS = 24 * 6
_LEAST_STEPS = 6
_EPOCH = datetime.fromtimestamp(0, UTC)


class BadImage(Exception):
    """The image to ask for cannot be read; the message is a sentence."""


def settings(proxy: Proxy) -> list[Setting]:
    """The configuration of an upstream, in the words of the file: each option, no secret."""
    return list(_lines(proxy))


def _lines(section: Proxy | Exec, above: str = "") -> Iterator[Setting]:
    """A line for each field. One that has no place in the section's `repr` is a secret."""
    for field in fields(section):
        name, value = f"{above}{field.name}", getattr(section, field.name)
        if isinstance(value, Exec):
            yield from _lines(value, f"{name}.")
        else:
            yield Setting(name, _shown(name, value, is_secret=not field.repr))


def _shown(name: str, value: object, *, is_secret: bool) -> str:
    match value:
        case None | "" | ():
            return _UNSET.get(name, "none")
        case str() if name == "proxy":
            return _without_user(value)
        case _ if is_secret:
            return MASKED
        case bool():
            return _TRUE.get(name, "true") if value else "false"
        case int() if name == "bandwidth":
            return wording.rate(value)
        case float():
            return wording.percent(value)
        case timedelta():
            return _time(value)
        case Windows():
            rules = (f"{rule}: {_time(window)}" for rule, window in value.rules)
            return ", ".join((*rules, f"{'others: ' if value.rules else ''}{_time(value.default)}"))
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def configured() -> tuple[Proxy, ...]:
    """All upstreams, the default one first."""
    return runtime.current().config.upstreams


def image_to_ask_for(proxy: Proxy) -> str:
    """An image that the upstream should have: one that was pulled, or Hub's smallest; or none."""
    if proxy.is_hub:
        return ":".join(_HUB_IMAGE)
    row = (
        TagRow.objects.filter(repository__upstream=proxy.name)
        .order_by("-checked_at")
        .values_list("repository__name", "name")
        .first()
    )
    return ":".join(row) if row else ""


@dataclass(frozen=True, slots=True)
class QuotaStep:
    """What was left of ``total`` in the ten minutes from ``start`` on, as it was last known."""

    start: datetime
    remaining: int
    total: int


def quota_steps(names: list[str], now: datetime) -> dict[str, list[QuotaStep]]:
    """By upstream, the last day from the first sample on; none for which nothing is known."""
    latest = now - (now - _EPOCH) % _STEP
    first = latest - _STEP * (_STEPS - 1)
    samples: dict[str, list[QuotaSample]] = {}
    rows = QuotaSample.objects.filter(upstream__in=names, start__gte=first, start__lte=latest)
    for row in rows.order_by("start"):
        samples.setdefault(row.upstream, []).append(row)
    return {name: list(_filled(found, latest)) for name, found in samples.items()}


def _filled(samples: list[QuotaSample], latest: datetime) -> Iterator[QuotaStep]:
    """A step for each ten minutes: where nothing was asked for, what was known before."""
    known = {sample.start: sample for sample in samples}
    # A chart of one step would be a dot.
    start = min(samples[0].start, latest - _STEP * (_LEAST_STEPS - 1))
    last = samples[0]
    while start <= latest:
        last = known.get(start, last)
        yield QuotaStep(start, last.remaining, last.total)
        start += _STEP


def examine(proxy: Proxy, image: str) -> list[Step]:
    """The steps to the upstream and, unless ``image`` is empty, to an image there.

    Raises :class:`BadImage`.
    """
    return diagnosis.examine(proxy.name, _parsed(proxy, image) if image else None)


def _parsed(proxy: Proxy, image: str) -> tuple[RepositoryName, Tag]:
    name, _, tag = image.partition(":")
    try:
        repository = RepositoryName.parse(name)
        return hub_name(repository) if proxy.is_hub else repository, Tag.parse(tag or "latest")
    except RegistryError as error:
        raise BadImage(
            f"{error.message}; give a repository and a tag, as in library/busybox:latest"
        ) from None


def _time(value: timedelta) -> str:
    return wording.duration(value.total_seconds()) if value else "0 s"


def _without_user(address: str) -> str:
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    user = "***@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{user}{host}"
