"""Repositories: the names under which upstream keeps images."""

from __future__ import annotations

from django.db import models


class Repository(models.Model):
    """A repository at an upstream from which at least one manifest or blob was given."""

    upstream = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upstream", "name"], name="repository_once"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream}/{self.name}"
