"""What is kept, and for how long: the section `retention`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cache.config import upstream_values, values
from cache.config.shape import HUB_HOSTS, Reserve, Retention
from cache.config.values import Refused
from cache.oci.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cache.config.document import Scalar
    from cache.config.shape import Proxy
    from cache.config.sources import Answers

BASE = ("retention",)
SHORTEST_PART_TTL = timedelta(minutes=1)
SMALLEST_STORE = 1024**2


def read(answers: Answers) -> Retention:
    """What is set for the whole store."""
    bare = Retention()
    return Retention(
        max_size=answers.take("retention.max_size", max_size, bare.max_size),
        min_free=answers.take("retention.min_free", min_free, bare.min_free),
        keep=answers.take_list((*BASE, "keep"), selection),
        part_ttl=answers.take("retention.part_ttl", part_ttl, bare.part_ttl),
    )


def with_ttls(answers: Answers, proxies: Iterable[Proxy]) -> list[Proxy]:
    """The upstreams with the ttl that is set for them under `retention.upstreams`."""
    by_name = {proxy.name: proxy for proxy in proxies}
    for path, source in answers.entries.items():
        if path[:-1] != (*BASE, "upstreams"):
            continue
        name = "docker.io" if path[-1] in HUB_HOSTS else path[-1]
        if name not in by_name:
            allowed = f"an upstream of this mirror: {', '.join(by_name)}"
            answers.problem(source, path, "this name", allowed)
            continue
        proxy = by_name[name]
        ttl = answers.take((*path, "ttl"), values.lifetime, proxy.ttl)
        by_name[name] = replace(proxy, ttl=ttl)
    return list(by_name.values())


def max_size(value: Scalar) -> int:
    """A number of bytes that a store can work with."""
    size = values.size(value)
    if size < SMALLEST_STORE:
        raise Refused("at least 1MiB, or no such key for no bound")
    return size


def min_free(value: Scalar) -> Reserve:
    """A size, or a share of the file system: `20GiB`, `10%`."""
    if value.text.endswith("%") or value.text == "0":
        try:
            return Reserve(share=upstream_values.share(value))
        except Refused:
            raise Refused("a share from 0% to 90%, such as 10%, or a size such as 20GiB") from None
    try:
        return Reserve(size=values.size(value))
    except Refused:
        raise Refused("a size such as 20GiB, or a share such as 10%") from None


def part_ttl(value: Scalar) -> timedelta | None:
    """A duration of which 0 means for ever."""
    ttl = values.lifetime(value)
    if ttl is not None and ttl < SHORTEST_PART_TTL:
        raise Refused("0 (for ever) or a duration of at least 1m")
    return ttl


def selection(value: Scalar) -> Selection:
    """What is never evicted."""
    try:
        return Selection.parse(value.text)
    except ValueError:
        raise Refused(
            "REPOSITORY, REPOSITORY:TAG or DIGEST with * and ** for any name, such as "
            "library/*:lts or acme/**"
        ) from None
