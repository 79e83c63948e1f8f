"""Manifests, kept once per digest, and what they point to."""

from __future__ import annotations

from django.db import models

from cache.models.fields import LONGEST_DIGEST, LONGEST_MEDIA_TYPE
from cache.models.repository import Repository


class Manifest(models.Model):
    """A manifest or index, byte for byte as upstream has it. It never changes."""

    digest = models.CharField(max_length=LONGEST_DIGEST, unique=True)
    media_type = models.CharField(max_length=LONGEST_MEDIA_TYPE)
    body = models.BinaryField()
    artifact_type = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=LONGEST_DIGEST, blank=True, db_index=True)
    stored_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest


class ManifestLink(models.Model):
    """The record that a repository contains a manifest: upstream said so.

    `pulled_at` is when a client was last given it there, as far as that is written down.
    """

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="manifest_links")
    manifest = models.ForeignKey(Manifest, models.CASCADE, related_name="links")
    proved_at = models.DateTimeField()
    pulled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "manifest"], name="manifest_link_once"),
        ]
        indexes = [models.Index(fields=["pulled_at"], name="manifest_link_pulled")]

    def __str__(self) -> str:
        return f"{self.repository} contains {self.manifest}"


class ManifestReference(models.Model):
    """A descriptor in a manifest: the digest that it names and the size that it promises.

    It says nothing about who may have the blob: that takes a link.
    """

    manifest = models.ForeignKey(Manifest, models.CASCADE, related_name="references")
    digest = models.CharField(max_length=LONGEST_DIGEST, db_index=True)
    size = models.BigIntegerField(null=True)
    is_manifest = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["manifest", "digest"], name="manifest_reference_once"),
        ]

    def __str__(self) -> str:
        return f"{self.manifest} names {self.digest}"
