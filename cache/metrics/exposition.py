"""The numbers of all processes put together, in Prometheus' text format."""

from __future__ import annotations

import math
import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from cache import meters, runtime
from cache.meters import FAMILIES, families
from cache.meters.families import Family, Kind, Merge
from cache.meters.sheet import SUM, Key
from cache.metrics.now import refresh
from cache.runtime import Runtime
from cache.version import VERSION

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_WORKER = "worker"

#: By the values of a metric's labels.
_Values: TypeAlias = dict[tuple[str, ...], float]


def exposition() -> bytes:
    """Everything there is to know, of this moment."""
    refresh()
    return generate_latest(_Collector())


class _Collector:
    """What the library asks for the metrics."""

    def collect(self) -> Iterator[Metric]:
        numbers = _put_together()
        for (name, *labels), value in _of_the_mirror(runtime.current()):
            numbers[name][tuple(labels)] = value
        for name, *labels in families.expected(runtime.current().upstreams):
            numbers[name].setdefault(tuple(labels), 0.0)
        for name, family in FAMILIES.items():
            if numbers[name]:
                yield _metric(family, numbers[name])


def _put_together() -> defaultdict[str, _Values]:
    """The numbers of all processes by metric and labels."""
    found = [(region, key, value) for region, key, value in meters.read() if not math.isnan(value)]
    measured = {region: value for region, key, value in found if key[0] == families.MEASURED}
    newest = max(measured, key=lambda region: measured[region], default=None)
    numbers: defaultdict[str, _Values] = defaultdict(dict)
    for region, (name, *labels), value in found:
        family, held, key = FAMILIES[name], numbers[name], tuple(labels)
        if family.merge is Merge.WORKER:
            held[*key, str(region)] = value
        elif family.merge is Merge.MAX:
            held[key] = max(value, held.get(key, value))
        elif family.merge is Merge.SUM:
            held[key] = held.get(key, 0.0) + value
        elif region == newest:
            held[key] = value
    return numbers


def _of_the_mirror(mirror: Runtime) -> Iterator[tuple[Key, float]]:
    """What is the same in all processes, and is looked up where it is asked for."""
    yield (families.BUILD, VERSION, platform.python_version()), 1.0
    yield (families.STARTED,), meters.started_at()
    for name, upstream in mirror.upstreams.items():
        quota = upstream.quota()
        if quota.limit is not None:
            yield (families.QUOTA_LIMIT, name), float(quota.limit)
        if quota.remaining is not None:
            yield (families.QUOTA_LEFT, name), float(quota.remaining)
        yield (families.QUOTA_HELD, name), float(quota.held_until is not None)
    retention = mirror.config.retention
    if retention.max_size is not None:
        yield (families.LIMIT,), float(retention.max_size)
    try:
        disk = os.statvfs(mirror.config.storage.root)
    except OSError:
        return
    size = disk.f_blocks * disk.f_frsize
    yield (families.DISK,), float(size)
    yield (families.FREE,), float(disk.f_bavail * disk.f_frsize)
    yield (families.MIN_FREE,), float(retention.min_free.of(size))


def _metric(family: Family, values: _Values) -> Metric:
    metric = Metric(family.name.removesuffix("_total"), family.help, family.kind)
    if family.kind is Kind.HISTOGRAM:
        _add_histogram(metric, family, values)
        return metric
    names = (*family.labels, _WORKER) if family.merge is Merge.WORKER else family.labels
    for key, value in sorted(values.items()):
        metric.add_sample(family.name, dict(zip(names, key, strict=True)), value)
    return metric


def _add_histogram(metric: Metric, family: Family, values: Mapping[tuple[str, ...], float]) -> None:
    """Each bucket counts what the smaller ones do, too; the count is that of the last one."""
    for series in sorted({key[:-1] for key in values}):
        labels = dict(zip(family.labels, series, strict=True))
        count = 0.0
        for number, bound in enumerate((*family.bounds, math.inf)):
            count += values.get((*series, str(number)), 0.0)
            within = {**labels, "le": "+Inf" if bound == math.inf else str(bound)}
            metric.add_sample(f"{family.name}_bucket", within, count)
        metric.add_sample(f"{family.name}_count", labels, count)
        metric.add_sample(f"{family.name}_sum", labels, values.get((*series, SUM), 0.0))
