"""Rights in the dashboard that belong to no table."""

from __future__ import annotations

from django.db import models


class Right(models.Model):
    """Holds the permissions of the dashboard's roles; there is no such table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_dashboard", "May see the dashboard"),
            ("purge", "May purge images, and cancel transfers"),
            ("pin", "May pin images"),
            ("change_log_levels", "May change log levels"),
            ("test_upstreams", "May test the connection to an upstream"),
            ("check_tags", "May have tags checked at upstream"),
        ]

    def __str__(self) -> str:
        return "rights in the dashboard"
