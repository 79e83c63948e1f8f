"""What is never evicted, what was removed, and files that are still to go."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST


class Pin(models.Model):
    """Content that is never evicted: `selection` is read by :mod:`cache.oci.selection`."""

    selection = models.CharField(max_length=512, unique=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.selection


class Removal(models.Model):
    """An image, or a blob of its own, that was removed: why, by whom, and what that freed.

    An empty `upstream` is that of a blob which no repository was known to contain.
    """

    class Reason(models.TextChoices):
        EXPIRED = "expired"
        MAX_SIZE = "max_size"
        MIN_FREE = "min_free"
        PURGED = "purged"

    at = models.DateTimeField(db_index=True)
    reason = models.CharField(max_length=8, choices=Reason)
    detail = models.CharField(max_length=255)
    by = models.CharField(max_length=150)
    upstream = models.CharField(max_length=255, blank=True)
    repository = models.CharField(max_length=255, blank=True)
    tags = models.TextField(blank=True)
    digest = models.CharField(max_length=LONGEST_DIGEST)
    blobs = models.PositiveIntegerField()
    size = models.BigIntegerField()
    pulled_at = models.DateTimeField()

    class Meta:
        indexes = [
            # Of one reason, or of one repository, the latest first.
            models.Index(fields=["reason", "at"], name="removal_by_reason"),
            models.Index(fields=["repository", "at"], name="removal_by_repository"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream}/{self.repository}@{self.digest}: {self.reason}"


class JanitorRun(models.Model):
    """A run of the janitor: what it removed, and what was wrong with it. Sizes in bytes.

    It goes on as long as `ended_at` is empty, unless a later one began since. At its end the store
    held `held`; `over` and `short` are what was still too much, and too little free.
    """

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    images = models.PositiveIntegerField(default=0)
    blobs = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    over = models.BigIntegerField(default=0)
    short = models.BigIntegerField(default=0)
    problem = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"the run of {self.began_at}"


class DoomedFile(models.Model):
    """A blob that the records have given up, and whose file is still to be removed.

    It is written with the records' end and goes with the file: a crash between them loses neither.
    """

    digest = models.CharField(max_length=LONGEST_DIGEST, unique=True)
    size = models.BigIntegerField()
    pulled_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest
