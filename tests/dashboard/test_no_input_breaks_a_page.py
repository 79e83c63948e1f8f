"""Whatever stands in a query or a form, a page answers it: with a sentence, if it means nothing."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from cache import models
from cache.models import PurgeOrder
from cache.runtime import Runtime
from dashboard.queries import repositories
from tests.dashboard.conftest import PASSWORD

#: `%ED%A0%80` is a lone surrogate. The longest line that gunicorn takes has some 8000 characters.
INPUTS = ("%00", "%ED%A0%80", "x" * 8000, "-1", "9" * 17, "9" * 20, "9" * 5000, "%C2%B2")
FORM = "application/x-www-form-urlencoded"
REACH = "pattern=acme/**&upstream=*"

#: What each page takes, but for the last value: ours, then those that Django makes.
QUERIES = {
    "": ("range=",),
    "overview/past/": ("range=",),
    "repositories/": (
        *(f"{name}=" for name in repositories.Query.__slots__),
        *(f"order={order}&after=" for order in repositories.ORDERS),
        *(f"order={order}&after=1+" for order in repositories.ORDERS),
        "order=pulls&text=",
    ),
    "repositories/{repository}/": ("text=", "after="),
    "purge/": ("what=", "reason=", "repository=", "after=", "after=1-"),
    "purge/{order}/": ("after=",),
    "purge/{order}/now/": ("after=",),
    "logs/": ("level=", "logger=", "text=", "request=", "kind=", "after="),
    "logs/tail/": ("after=",),
    "connect/pulls/": ("since=",),
    "access/": ("text=",),
    "login/": ("next=",),
    "auth/user/": ("q=", "o=", "p=", "username=", "groups__id__exact=", "is_staff__exact=", "x="),
    "auth/group/": ("q=", "name="),
    "auth/user/add/": ("username=", "groups="),
    "auth/user/{user}/history/": ("p=",),
    "autocomplete/": ("term=", "app_label=", "field_name="),
}
FORMS = {
    "login/": ("password=x&username=", "username=vera&password=", "username=v&password=x&next="),
    "transfers/cancel/": ("digest=",),
    "repositories/{repository}/check/": ("tag=",),
    "purge/ask/": (
        *("what=", "what=acme/shop&why=", "what=acme/shop&days=", "kind="),
        *("kind=age&days=", "kind=size&size="),
    ),
    "purge/{order}/confirm/": ("with_pinned=",),
    "pins/pin/": ("what=", "what=acme/shop&repository=", "what=acme/shop&repository=1&digest="),
    "pins/unpin/": ("what=",),
    "logs/levels/change/": (
        *("level=debug&for=10m&logger=", "level=back&logger="),
        *("logger=cache.x&for=10m&level=", "logger=cache.x&level=debug&for="),
    ),
    "upstreams/test/": ("upstream=", "upstream={upstream}&image="),
    "access/grants/create/": (
        *(
            f"{REACH}&kind=user&holder=",
            f"{REACH}&kind=group&holder=",
            f"{REACH}&holder=vera&kind=",
        ),
        *("upstream=*&holder=vera&pattern=", "pattern=acme/**&holder=vera&upstream="),
        *(f"{REACH}&holder=vera&ends=", f"{REACH}&holder=nobody&repository="),
    ),
    "access/grants/remove/": ("grant=", "repository="),
    "access/tokens/create/": (
        *("name=a&user=", "user=vera&name=", "user=vera&name=b&ends=", "user=vera&name=c&limits="),
        *("user=vera&name=d&limits=acme/**&upstream=", "user=nobody&name=d&form="),
    ),
    "access/tokens/revoke/": ("name=a&user=", "user=vera&name="),
    "access/visibility/fix/": (
        *("visibility=public&upstream=*&pattern=", f"{REACH}&visibility="),
        "visibility=public&pattern=acme/**&upstream=",
    ),
    "access/visibility/unfix/": ("upstream=*&pattern=", "pattern=acme/**&upstream="),
    "access/sign-ins/forget/": ("address=10.0.0.7&name=", "name=vera&address="),
    "auth/user/add/": ("username=",),
    "auth/group/add/": ("name=",),
    "auth/user/{user}/change/": ("username=",),
    "auth/user/": ("action=", "action=delete_selected&_selected_action="),
    "auth/user/{user}/password/": ("password1=x&password2=",),
    "password_change/": ("old_password=",),
}
PATHS = (
    *("auth/user/{}/change/", "auth/group/{}/delete/", "r/1/{}/", "r/{}/1/", "purge/{}/", "{}/"),
    *("repositories/{}/", "repositories/{repository}/manifests/{}/", "auth/{}/"),
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def superuser(mirror: Runtime) -> Client:
    client = Client()
    user = User.objects.create_superuser("the-superuser", password=PASSWORD)
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def known(mirror: Runtime) -> dict[str, object]:
    """What there is to fill an address with."""
    now, upstream = mirror.now(), mirror.config.proxy.name
    user = User.objects.create_user("vera", password=PASSWORD)
    row = models.Repository.objects.create(upstream=upstream, name="acme/shop", first_seen_at=now)
    models.Traffic.objects.create(span="d", start=now, upstream=upstream, repository="acme/shop")
    order = PurgeOrder.objects.create(state="shown", what="x", asked_at=now, shown_at=now)
    Group.objects.create(name="ci")
    return {"user": user.pk, "repository": row.pk, "order": order.pk, "upstream": upstream}


def filled(text: str, known: dict[str, object]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


@pytest.mark.parametrize("path", QUERIES)
def test_no_query_breaks_a_page(superuser: Client, known: dict[str, object], path: str) -> None:
    for field in QUERIES[path]:
        for given in INPUTS:
            query = f"{filled(field, known)}{given}"
            answer = superuser.get(f"/dashboard/{filled(path, known)}?{query}")
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, query[:80]


@pytest.mark.parametrize("path", FORMS)
def test_no_form_breaks_a_page(superuser: Client, known: dict[str, object], path: str) -> None:
    for field in FORMS[path]:
        for given in INPUTS:
            form = f"{filled(field, known)}{given}"
            answer = superuser.post(f"/dashboard/{filled(path, known)}", form, content_type=FORM)
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, form[:80]


@pytest.mark.parametrize("path", PATHS)
def test_no_address_breaks_a_page(superuser: Client, known: dict[str, object], path: str) -> None:
    for given in INPUTS:
        answer = superuser.get(f"/dashboard/{filled(path, known).replace('{}', given)}")
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, given[:80]
