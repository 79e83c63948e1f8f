"""Incidents: what upstream or the store did wrong, counted for the operator."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST


class Incident(models.Model):
    """A blob that was not kept, how often, and what was wrong the last time."""

    kind = models.CharField(max_length=32)
    upstream = models.CharField(max_length=255)
    repository = models.CharField(max_length=255)
    digest = models.CharField(max_length=LONGEST_DIGEST)
    message = models.TextField()
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "upstream", "repository", "digest"], name="incident_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.upstream}/{self.repository}@{self.digest}"
