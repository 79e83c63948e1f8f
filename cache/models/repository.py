"""Repositories: the names under which upstream keeps images."""

from __future__ import annotations

from django.db import models


class Repository(models.Model):
    """A repository that was pulled from, or that upstream was seen to give to anonymous clients.

    `visibility` is how upstream treated an anonymous client at `visibility_checked_at`; empty
    before that was asked. An operator's rule comes before it.

    `size` is what its blobs here had together at `sized_at`, in bytes, which is empty when that is
    known to be wrong. `pulled_at` is its last pull, as far as that is written down.
    """

    upstream = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField()
    visibility = models.CharField(max_length=7, blank=True)
    visibility_checked_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(db_default=0)
    sized_at = models.DateTimeField(null=True)
    pulled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upstream", "name"], name="repository_once"),
        ]
        indexes = [
            models.Index(fields=["size"], name="repository_size"),
            models.Index(fields=["sized_at"], name="repository_sized"),
            models.Index(fields=["pulled_at"], name="repository_pulled"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream}/{self.name}"
