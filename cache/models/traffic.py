"""Traffic, added up by minute, hour and day; what the disk and the quotas had left, and when."""

from __future__ import annotations

from django.db import models


class Traffic(models.Model):
    """What passed in a span of time that began at `start`; an empty `repository` means all.

    Minutes are kept for whole upstreams only, for charts of the last hour. See
    :class:`cache.tally.Counts` for what is counted.
    """

    class Span(models.TextChoices):
        MINUTE = "m"
        HOUR = "h"
        DAY = "d"

    span = models.CharField(max_length=1, choices=Span)
    start = models.DateTimeField()
    upstream = models.CharField(max_length=255)
    repository = models.CharField(max_length=255, blank=True)
    requests = models.BigIntegerField(default=0)
    pulls = models.BigIntegerField(default=0)
    hits = models.BigIntegerField(default=0)
    misses = models.BigIntegerField(default=0)
    stale = models.BigIntegerField(default=0)
    served = models.BigIntegerField(default=0)
    fetched = models.BigIntegerField(default=0)
    fetch_ms = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["span", "start", "upstream", "repository"], name="traffic_once"
            ),
        ]
        indexes = [
            # Charts are of whole upstreams: they pass over the repositories' rows.
            models.Index(
                fields=["span", "start"],
                condition=models.Q(repository=""),
                name="traffic_of_upstreams",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.upstream}/{self.repository or '*'} from {self.start}"


class DiskSample(models.Model):
    """How full the store's file system was in the hour from `hour` on, and what the store held.

    All but `blobs` are in bytes; `held` is the sum of the blobs' sizes.
    """

    hour = models.DateTimeField(unique=True)
    used = models.BigIntegerField()
    free = models.BigIntegerField()
    held = models.BigIntegerField()
    blobs = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.free} bytes free at {self.hour}"


class QuotaSample(models.Model):
    """What an upstream's quota had left in the ten minutes from `start` on: the least of it."""

    upstream = models.CharField(max_length=255)
    start = models.DateTimeField()
    total = models.BigIntegerField()
    remaining = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upstream", "start"], name="quota_sample_once"),
        ]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.total} left at {self.upstream}, {self.start}"


class Outage(models.Model):
    """An upstream gave no useful answers from `began_at` to `ended_at`, or does so still."""

    upstream = models.CharField(max_length=255)
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    problem = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["upstream"],
                condition=models.Q(ended_at__isnull=True),
                name="outage_now_once",
            ),
        ]
        indexes = [models.Index(fields=["began_at"], name="outage_latest")]

    def __str__(self) -> str:
        return f"{self.upstream} was away from {self.began_at}"
