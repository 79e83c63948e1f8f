"""The mirror as a Django application: its models and commands."""

from __future__ import annotations

from django.apps import AppConfig


class CacheConfig(AppConfig):
    name = "cache"
    default_auto_field = "django.db.models.BigAutoField"
