"""The dashboard as Django applications: our pages, and the admin site in which they stand."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class Dashboard(AppConfig):
    name = "dashboard"


class Site(AdminConfig):
    default_site = "dashboard.views.site.Site"
