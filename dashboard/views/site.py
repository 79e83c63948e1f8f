"""The site in which all pages of the dashboard stand: who may enter, and which pages there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from unfold.sites import UnfoldAdminSite

from dashboard.views import (
    access,
    connect,
    logs,
    overview,
    pins,
    purges,
    repositories,
    transfers,
    upstreams,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

#: What every page of the dashboard asks of whoever looks.
SEE = "cache.view_dashboard"

_PAGES = (
    ("overview/now/", overview.overview_now, "overview-now"),
    ("overview/past/", overview.overview_past, "overview-past"),
    ("transfers/", transfers.overview, "transfers"),
    ("transfers/now/", transfers.live, "transfers-now"),
    ("transfers/cancel/", transfers.cancel, "transfers-cancel"),
    ("repositories/", repositories.overview, "repositories"),
    ("repositories/<int:key>/", repositories.one, "repository"),
    ("repositories/<int:key>/check/", repositories.check, "repository-check"),
    ("repositories/<int:key>/manifests/<digest>/", repositories.manifest, "manifest"),
    ("purge/", purges.overview, "purge"),
    ("purge/ask/", purges.ask, "purge-ask"),
    ("purge/<int:number>/", purges.one, "purge-order"),
    ("purge/<int:number>/now/", purges.live, "purge-now"),
    ("purge/<int:number>/confirm/", purges.confirm, "purge-confirm"),
    ("purge/<int:number>/again/", purges.again, "purge-again"),
    ("purge/<int:number>/go-on/", purges.go_on, "purge-go-on"),
    ("purge/<int:number>/stop/", purges.stop, "purge-stop"),
    ("pins/", pins.overview, "pins"),
    ("pins/pin/", pins.pin, "pins-pin"),
    ("pins/unpin/", pins.unpin, "pins-unpin"),
    ("logs/", logs.overview, "logs"),
    ("logs/tail/", logs.tail, "logs-tail"),
    ("logs/counts/", logs.counts, "logs-counts"),
    ("logs/levels/", logs.levels, "log-levels"),
    ("logs/levels/change/", logs.change_level, "log-levels-change"),
    ("upstreams/", upstreams.overview, "upstreams"),
    ("upstreams/test/", upstreams.test_connection, "upstreams-test"),
    ("connect/", connect.overview, "connect"),
    ("connect/pulls/", connect.pulls, "connect-pulls"),
    ("access/", access.overview, "access"),
    ("access/grants/create/", access.create_grant, "grants-create"),
    ("access/grants/remove/", access.remove_grant, "grants-remove"),
    ("access/tokens/create/", connect.make_token, "tokens-create"),
    ("access/tokens/revoke/", access.revoke_token, "tokens-revoke"),
    ("access/visibility/fix/", access.fix_visibility, "visibility-fix"),
    ("access/visibility/unfix/", access.unfix_visibility, "visibility-unfix"),
    ("access/sign-ins/forget/", access.forget_failures, "sign-ins-forget"),
)


class Site(UnfoldAdminSite):  # type: ignore[misc]  # unfold carries no types
    """Django's admin site, for staff who have a role (or are superusers)."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff without any role see nothing: what is not granted is refused."""
        return bool(super().has_permission(request) and request.user.has_perm(SEE))

    def get_urls(self) -> list[URLPattern]:
        """Our pages before those that Django makes of models."""
        ours = [path(route, self.admin_view(view), name=name) for route, view, name in _PAGES]
        return [*ours, *super().get_urls()]

    def index(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - as Django calls it
    ) -> HttpResponse:
        """The overview."""
        return overview.overview(request)
