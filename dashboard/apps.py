"""The dashboard as Django applications: our pages, and the admin site in which they stand."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class Dashboard(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        """Have failed sign-ins logged."""
        # Only now are the models there.
        from dashboard import signing_in  # noqa: PLC0415

        signing_in.watch()


class Site(SimpleAdminConfig):
    """Its pages come with the addresses, see mirrorsite.urls: no command has a use for them."""

    default_site = "dashboard.views.site.Site"
