"""Small answers: how many requests a second, over connections that stay open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.content import CONFIG_SIZE
from bench.plan import MIB
from bench.systems import docker_registry, mirrorsite
from bench.table import NGINX, REGISTRY, Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.stage import Stage
    from bench.systems import System

UNIT = "req/s"


def manifest_by_digest(stage: Stage) -> Iterator[Row]:
    """What every pull asks for, after the tag."""
    yield _of_manifest(stage, "digest", "manifest by digest, warm", (stage.ours, stage.theirs), 6)


def tags(stage: Stage) -> Iterator[Row]:
    """Tags that are trusted for an hour, and tags that upstream is asked about at every pull."""
    settings = {"REGISTRY_PROXY_FRESHNESS": "1h"}
    with mirrorsite(stage.home / "trusting", stage.nginx.upstream, None, settings) as trusting:
        ours, theirs = _tag_rates(stage, (trusting, stage.theirs), 1)
        what = "tag inside the freshness window"
        yield Row("tag-fresh", what, UNIT, ours, {REGISTRY: theirs}, (Goal(15, REGISTRY),))
    ours, theirs = _tag_rates(stage, (stage.ours, stage.theirs), 1)
    what = "tag checked at every pull, one tag"
    yield Row("tag-checked", what, UNIT, ours, {REGISTRY: theirs}, (Goal(5, REGISTRY),))
    ours, theirs = _tag_rates(stage, (stage.ours, stage.theirs), len(stage.images))
    what = f"tag checked at every pull, {len(stage.images)} tags"
    yield Row("tags-checked", what, UNIT, ours, {REGISTRY: theirs}, (Goal(1.5, REGISTRY),))


def small_blobs(stage: Stage) -> Iterator[Row]:
    """A configuration, and a small layer."""
    path = stage.image.config.path
    ours, theirs = stage.rates((stage.ours, stage.theirs), [path], CONFIG_SIZE)
    what = "config blob of 2 KB, warm"
    yield Row("config", what, UNIT, ours, {REGISTRY: theirs}, (Goal(5, REGISTRY),))
    three = (stage.ours, stage.theirs, stage.served_by_nginx())
    ours, theirs, limit = stage.rates(three, [stage.image.layers[0].path], MIB)
    others = {REGISTRY: theirs, NGINX: limit}
    goals = (Goal(3, REGISTRY), Goal(0.7, NGINX))
    yield Row("mib", "blob of 1 MiB, warm", UNIT, ours, others, goals)


def with_access_logs(stage: Stage) -> Iterator[Row]:
    """The same where each writes a line for each request."""
    logging = {"REGISTRY_LOG_ACCESSLOG_DISABLED": "false"}
    with (
        mirrorsite(stage.home / "ours-logs", stage.nginx.upstream, None, logging) as ours,
        docker_registry(stage.home / "theirs-logs", stage.nginx.upstream, logs=True) as theirs,
    ):
        what = "manifest by digest, warm, access logs on"
        yield _of_manifest(stage, "digest-logs", what, (ours, theirs), 6)
        three = (ours, theirs, stage.served_by_nginx(logs=True))
        mine, others, limit = stage.rates(three, [stage.image.layers[0].path], MIB)
        what = "blob of 1 MiB, warm, access logs on"
        by_others = {REGISTRY: others, NGINX: limit}
        goals = (Goal(3, REGISTRY), Goal(0.7, NGINX))
        yield Row("mib-logs", what, UNIT, mine, by_others, goals)


def over_tls(stage: Stage) -> Iterator[Row]:
    """The same over TLS."""
    with (
        mirrorsite(stage.home / "ours-tls", stage.nginx.upstream, stage.certificate) as ours,
        docker_registry(stage.home / "theirs-tls", stage.nginx.upstream, stage.certificate) as it,
    ):
        yield _of_manifest(stage, "digest-tls", "manifest by digest, warm, TLS", (ours, it), 6)
        three = (ours, it, stage.served_by_nginx(tls=True))
        mine, theirs, limit = stage.rates(three, [stage.image.layers[0].path], MIB)
        others = {REGISTRY: theirs, NGINX: limit}
        yield Row("mib-tls", "blob of 1 MiB, warm, TLS", UNIT, mine, others, (Goal(1, REGISTRY),))


def _of_manifest(stage: Stage, key: str, what: str, pair: Sequence[System], least: float) -> Row:
    path = stage.image.by_digest
    ours, theirs = stage.rates(pair, [path], stage.content.file(path).stat().st_size)
    return Row(key, what, UNIT, ours, {REGISTRY: theirs}, (Goal(least, REGISTRY),))


def _tag_rates(
    stage: Stage, pair: Sequence[System], count: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    paths = [image.by_tag for image in stage.images[:count]]
    ours, theirs = stage.rates(pair, paths, stage.content.file(paths[-1]).stat().st_size - 2)
    return ours, theirs
