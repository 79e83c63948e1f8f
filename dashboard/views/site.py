"""The site in which all pages of the dashboard stand: who may enter, and which pages there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.response import TemplateResponse
from unfold.sites import UnfoldAdminSite

if TYPE_CHECKING:
    from django.http import HttpRequest

#: What every page of the dashboard asks of whoever looks.
SEE = "cache.view_dashboard"


class Site(UnfoldAdminSite):  # type: ignore[misc]  # unfold carries no types
    """Django's admin site, for staff who have a role (or are superusers)."""

    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff without any role see nothing: what is not granted is refused."""
        return bool(super().has_permission(request) and request.user.has_perm(SEE))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The overview."""
        context = {**self.each_context(request), "title": "Overview", **(extra_context or {})}
        request.current_app = self.name
        return TemplateResponse(request, "dashboard/overview.html", context)
