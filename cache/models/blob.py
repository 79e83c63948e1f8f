"""Blobs, kept once per digest however many repositories contain them."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST
from cache.models.repository import Repository


class Blob(models.Model):
    """A blob that the store holds. The store has the last word on whether it is there.

    `pulled_at` is when a client was last given it, as far as that is written down.
    """

    digest = models.CharField(max_length=LONGEST_DIGEST, unique=True)
    size = models.BigIntegerField()
    stored_at = models.DateTimeField()
    pulled_at = models.DateTimeField()

    class Meta:
        # The sum of all sizes is read from it, too.
        indexes = [models.Index(fields=["pulled_at", "size"], name="blob_pulled")]

    def __str__(self) -> str:
        return self.digest


class BlobLink(models.Model):
    """The record that a repository contains a blob: upstream gave it, or vouched for it, there.

    It names a digest and not a row, since upstream's word comes before the blob is here and
    outlasts its eviction.
    """

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="blob_links")
    digest = models.CharField(max_length=LONGEST_DIGEST, db_index=True)
    proved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "digest"], name="blob_link_once"),
        ]

    def __str__(self) -> str:
        return f"{self.repository} contains {self.digest}"
