"""Who may pull what is private: grants, access tokens, and what an operator fixed by hand."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

#: Longest text of a pattern for repositories, see :mod:`cache.oci.pattern`.
LONGEST_PATTERN = 255


class Grant(models.Model):
    """A user's or a group's right to pull the private repositories that a pattern fits.

    An empty `upstream` stands for every upstream. After `expires_at` it means nothing.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants", null=True, blank=True
    )
    group = models.ForeignKey(Group, models.CASCADE, related_name="grants", null=True, blank=True)
    upstream = models.CharField(max_length=255, blank=True)
    pattern = models.CharField(max_length=LONGEST_PATTERN)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, group__isnull=True)
                | models.Q(user__isnull=True, group__isnull=False),
                name="grant_has_one_holder",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group} may pull {self.upstream or '*'}/{self.pattern}"


class AccessToken(models.Model):
    """A machine's password: its user's rights, or, if `is_limited`, only what its limits cover.

    Only a digest of it is kept.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=100)
    secret_digest = models.CharField(max_length=64, unique=True)
    is_limited = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(revoked_at__isnull=True),
                name="access_token_name_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class AccessTokenLimit(models.Model):
    """What a limited access token is good for."""

    token = models.ForeignKey(AccessToken, models.CASCADE, related_name="limits")
    upstream = models.CharField(max_length=255, blank=True)
    pattern = models.CharField(max_length=LONGEST_PATTERN)

    def __str__(self) -> str:
        return f"{self.token}: {self.upstream or '*'}/{self.pattern}"


class VisibilityRule(models.Model):
    """An operator's word on repositories, in place of what upstream tells anonymous clients."""

    class Visibility(models.TextChoices):
        PUBLIC = "public"
        PRIVATE = "private"

    upstream = models.CharField(max_length=255, blank=True)
    pattern = models.CharField(max_length=LONGEST_PATTERN)
    visibility = models.CharField(max_length=7, choices=Visibility)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upstream", "pattern"], name="visibility_rule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream or '*'}/{self.pattern} is {self.visibility}"
