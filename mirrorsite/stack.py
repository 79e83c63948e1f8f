"""What only the dashboard needs of every request: sessions, CSRF, sign-in, messages, its headers.

And what a front proxy says of it, which `/v2/` asks for where it needs it: cache.api.forwarding.

Django has one list of middleware for all paths. Here each of the dashboard's steps aside at once
for any other path, so that a pull neither reads a session nor gets a cookie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axes.middleware import AxesMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware

from cache import request as asking
from cache.api.forwarding import client_address, comes_from_proxy, own_address
from dashboard.theme import PLACE
from dashboard.views.trouble import MAY_BE_TROUBLE, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

#: Nothing but what the mirror itself serves, and no script or frame of anybody's in the page. The
#: theme's scripts (Alpine) evaluate the expressions in its templates, and its templates have style
#: attributes: 'unsafe-eval' and 'unsafe-inline' for styles are owed to them. Our own need neither.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def _is_ours(request: HttpRequest) -> bool:
    return request.path_info.startswith(PLACE)


class _Aside:
    """In front of a middleware class: has it run for the dashboard's paths only.

    Each of them may need the database, as the pages do: one that does not answer has a page.
    """

    def __call__(self, request: HttpRequest) -> Any:
        if not _is_ours(request):
            return self.get_response(request)  # type: ignore[attr-defined]  # the middleware's
        try:
            return super().__call__(request)  # type: ignore[misc]  # the middleware's
        except MAY_BE_TROUBLE as error:
            answer = unavailable(request, error)
            if answer is None:
                raise
            return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """What a view raised."""
        return unavailable(request, error) if _is_ours(request) else None


class Security(_Aside, SecurityMiddleware):
    """Headers against guessing types and leaking addresses."""


class Sessions(_Aside, SessionMiddleware):
    """Who has signed in."""


class Csrf(_Aside, CsrfViewMiddleware):
    """Forms that another site sends are refused."""

    def process_view(
        self,
        request: HttpRequest,
        callback: Any,
        callback_args: tuple[Any, ...],
        callback_kwargs: dict[str, Any],
    ) -> Any:
        """Django's own check, on our paths."""
        if not _is_ours(request):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class SignIn(_Aside, AuthenticationMiddleware):
    """The signed-in user, whom the request's line in the log names."""

    def __call__(self, request: HttpRequest) -> Any:
        response = super().__call__(request)
        # Only if somebody wanted to know: to find out costs a query.
        user, asked = getattr(request, "_cached_user", None), asking.current()
        if user is not None and asked is not None:
            asked.user = user.get_username()
        return response

    def process_view(
        self,
        request: HttpRequest,
        view_func: Any,
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> None:
        """Nothing: each of the dashboard's views checks for itself who may."""


class Messages(_Aside, MessageMiddleware):
    """What the next page has to say."""


class Frames(_Aside, XFrameOptionsMiddleware):
    """No other page may frame ours, for browsers that do not know the policy's frame-ancestors."""


class Guessing(_Aside, AxesMiddleware):  # type: ignore[misc]  # axes carries no types
    """Tells a client that guessed too often."""


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: the policy on every page of the dashboard, and no copy of it anywhere."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if _is_ours(request):
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer


def believe_proxies(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: what a trusted proxy passes on looks as if the client itself had sent it here.

    Whatever compares or counts addresses finds them where Django has them: the check of a form's
    origin, the count of wrong passwords.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        if _is_ours(request) and comes_from_proxy(request):
            scheme, _, host = own_address(request).partition("://")
            seen = {"REMOTE_ADDR": client_address(request), "HTTP_HOST": host}
            # `META` is the server's own environment, where Django looks for the scheme, too.
            request.META.update(seen, **{"wsgi.url_scheme": scheme})
        return get_response(request)

    return answer


def secure_cookies(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: the cookies of a page that came over TLS leave over TLS only.

    Django knows one answer for all requests, but who else speaks TLS is the proxy's to say.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if _is_ours(request) and request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return answer
