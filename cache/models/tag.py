"""Tags, and the record of where they pointed before."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST
from cache.models.manifest import Manifest
from cache.models.repository import Repository


class Tag(models.Model):
    """What a tag pointed to when upstream was last asked, at ``checked_at``."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=128)
    manifest = models.ForeignKey(Manifest, models.CASCADE, related_name="tags")
    checked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "name"], name="tag_once"),
        ]

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


class TagMove(models.Model):
    """A tag changed at upstream; an empty digest means that there was, or is, no such tag."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="tag_moves")
    name = models.CharField(max_length=128)
    from_digest = models.CharField(max_length=LONGEST_DIGEST, blank=True)
    to_digest = models.CharField(max_length=LONGEST_DIGEST, blank=True)
    moved_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["repository", "name", "moved_at"], name="tag_move_history")]

    def __str__(self) -> str:
        return f"{self.repository}:{self.name} moved"
