"""Purges that operators ask for in the dashboard: what was shown to them, and what came of it."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST


class PurgeOrder(models.Model):
    """A wish to remove something: looked through first, then confirmed, then carried out.

    One of three says what is wanted: `what`, a selection (:mod:`cache.oci.selection`), of which
    `unused_for` (seconds) leaves out what was pulled since; `unused_for` alone; or `leave`, the
    bytes that the store is to hold afterwards.

    Whoever is at work renews `beat_at` every few seconds: an old one is that of a process that has
    ended, and another goes on. `images`, `blobs` and `size` (bytes) are of the preview.
    """

    class State(models.TextChoices):
        ASKED = "asked"
        LOOKING = "looking"
        SHOWN = "shown"
        CONFIRMED = "confirmed"
        AT_WORK = "at_work"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=9, choices=State, default=State.ASKED)
    what = models.CharField(max_length=512, blank=True)
    unused_for = models.BigIntegerField(null=True)
    to_free = models.BigIntegerField(null=True)
    leave = models.BigIntegerField(null=True)
    why = models.CharField(max_length=100, blank=True)
    by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    shown_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    with_pinned = models.BooleanField(default=False)
    is_to_stop = models.BooleanField(default=False)
    images = models.PositiveIntegerField(default=0)
    blobs = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    problem = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["state"], name="purge_order_state")]

    def __str__(self) -> str:
        return f"purge {self.pk}, {self.state}"


class PurgeItem(models.Model):
    """An image that a purge was shown to remove, or a blob of its own, which has no `is_image`.

    `blobs` and `size` (bytes) go with it, `shared` bytes stay, since `shared_with` (some names, a
    line each, of `sharers` in all) need them. `outcome` is empty until it was its turn; `freed` is
    what came back in the end.
    """

    class Outcome(models.TextChoices):
        GONE = "gone"
        MISSING = "missing"
        PULLED = "pulled"
        PINNED = "pinned"
        LEFT = "left"

    order = models.ForeignKey(PurgeOrder, models.CASCADE, related_name="items")
    place = models.PositiveIntegerField()
    is_image = models.BooleanField()
    upstream = models.CharField(max_length=255, blank=True)
    repository = models.CharField(max_length=255, blank=True)
    tags = models.TextField(blank=True)
    digest = models.CharField(max_length=LONGEST_DIGEST)
    pulled_at = models.DateTimeField()
    blobs = models.PositiveIntegerField()
    size = models.BigIntegerField()
    shared = models.BigIntegerField(default=0)
    shared_with = models.TextField(blank=True)
    sharers = models.PositiveIntegerField(default=0)
    is_pinned = models.BooleanField(default=False)
    outcome = models.CharField(max_length=7, choices=Outcome, blank=True)
    freed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "place"], name="purge_item_once"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream}/{self.repository}@{self.digest}: {self.outcome or 'waits'}"
