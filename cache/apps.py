"""The mirror as a Django application: its models and commands."""

from __future__ import annotations

from django.apps import AppConfig


class CacheConfig(AppConfig):
    name = "cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have every process of the mirror told when this one changes who may pull what."""
        # Only now are the models there.
        from cache.access.watch import watch  # noqa: PLC0415

        watch(_tell)


def _tell() -> None:
    # Only at a change: a command that makes none starts sooner without the HTTP client.
    from cache import runtime  # noqa: PLC0415

    runtime.access_changed()
