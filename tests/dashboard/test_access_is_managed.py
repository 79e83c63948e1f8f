"""Grants, access tokens, visibility and failed sign-ins: seen and changed by administrators."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from cache.access import grants, machine_tokens, visibility
from cache.access.decision import Reach, Visibility
from cache.oci.pattern import Pattern
from cache.runtime import Runtime
from tests.dashboard.conftest import PASSWORD, SignedIn, make_user

PAGE = "/dashboard/access/"
EVERYWHERE = {"pattern": "acme/**", "upstream": "*"}
REACH = Reach("", Pattern("acme/**"))

pytestmark = pytest.mark.usefixtures("mirror")


@pytest.fixture
def administrator(signed_in: SignedIn) -> Client:
    return signed_in("administrator")


def send(client: Client, path: str, **form: str) -> str:
    """The page after the action."""
    return unescape(client.post(PAGE + path, form, follow=True).content.decode())


def history() -> list[tuple[str, str, str]]:
    entries = LogEntry.objects.order_by("pk")
    return [(str(one.user), one.object_repr, one.change_message) for one in entries]


def test_a_grant_is_given_to_a_user_and_taken_away(administrator: Client) -> None:
    make_user("alice", None, staff=False)
    page = send(administrator, "grants/create/", kind="user", holder="alice", **EVERYWHERE)
    (grant,) = grants.list_grants()
    assert (grant.user, grant.reach, grant.expires_at) == ("alice", REACH, None)
    assert "*/acme/**: Granted to alice." in page
    send(administrator, "grants/remove/", grant=str(grant.id))
    assert grants.list_grants() == []
    assert history() == [
        ("the-administrator", "*/acme/**", "Granted to alice."),
        ("the-administrator", "*/acme/**", "Taken from alice."),
    ]


def test_a_grant_of_a_group_may_end(administrator: Client, mirror: Runtime) -> None:
    Group.objects.create(name="ci")
    send(administrator, "grants/create/", kind="group", holder="ci", ends="30d", **EVERYWHERE)
    (grant,) = grants.list_grants()
    assert grant.group == "ci"
    assert grant.expires_at is not None
    assert timedelta(days=29) < grant.expires_at - mirror.now() <= timedelta(days=30)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"kind": "user", "holder": "nobody", **EVERYWHERE}, "there is no user"),
        ({"kind": "group", "holder": "nobody", **EVERYWHERE}, "there is no group"),
        ({"holder": "alice", "pattern": "acme/**", "upstream": "x"}, "no upstream is called"),
        ({"holder": "alice", "pattern": "ACME", "upstream": "*"}, "a pattern of repositories"),
        ({"holder": "alice", "ends": "2001-01-01", **EVERYWHERE}, "over already"),
    ],
)
def test_a_mistake_gets_a_sentence(administrator: Client, form: dict[str, str], says: str) -> None:
    make_user("alice", None, staff=False)
    page = send(administrator, "grants/create/", **form)
    assert "Nothing was changed" in page
    assert says in page
    assert grants.list_grants() == []


def test_a_token_is_seen_and_revoked(administrator: Client, mirror: Runtime) -> None:
    alice = make_user("alice", None, staff=False)
    token = machine_tokens.create(alice.pk, "build-7", limits=[REACH])
    page = administrator.get(PAGE).content.decode()
    assert "build-7 of alice" in page
    assert "never" in page
    assert token not in page
    page = send(administrator, "tokens/revoke/", user="alice", name="build-7")
    assert machine_tokens.sign_in(token, mirror.remembered, mirror.now()) is None
    assert "revoked <time" in page
    assert "has no access token" in send(
        administrator, "tokens/revoke/", user="alice", name="build-7"
    )


def test_visibility_is_fixed_by_hand_and_let_go(administrator: Client) -> None:
    send(administrator, "visibility/fix/", visibility="private", **EVERYWHERE)
    assert visibility.list_rules() == ((REACH, Visibility.PRIVATE),)
    assert "*/acme/**" in administrator.get(PAGE).content.decode()
    send(administrator, "visibility/unfix/", **EVERYWHERE)
    assert visibility.list_rules() == ()


def test_who_failed_to_sign_in_is_seen_and_may_be_let_go(administrator: Client) -> None:
    make_user("vera", "viewer")
    stranger = Client()
    form = {"username": "vera", "password": "wrong", "next": "/dashboard/"}
    for _ in range(10):
        stranger.post("/dashboard/login/", form, REMOTE_ADDR="10.0.0.7")
    page = administrator.get(PAGE).content.decode()
    assert "10.0.0.7" in page
    assert "has to wait" in page
    send(administrator, "sign-ins/forget/", name="vera", address="10.0.0.7")
    assert "has to wait" not in administrator.get(PAGE).content.decode()
    right = {**form, "password": PASSWORD}
    answer = stranger.post("/dashboard/login/", right, REMOTE_ADDR="10.0.0.7")
    assert answer.status_code == 302


@pytest.mark.parametrize("address", ["x", "1", "10.0.0", "::1%eth0"])
def test_what_is_no_address_is_refused(administrator: Client, address: str) -> None:
    page = send(administrator, "sign-ins/forget/", name="vera", address=address)
    assert f"found {address!r}; allowed is an address of a client" in page


def test_a_name_that_cannot_be_printed_means_nobody(administrator: Client) -> None:
    alice = make_user("alice", None, staff=False)
    machine_tokens.create(alice.pk, "build-7")
    assert "there is no user" in send(administrator, "tokens/create/", user="al\0ice", name="a")
    assert "can be printed" in send(administrator, "tokens/create/", user="alice", name="a\0b")
    page = send(administrator, "tokens/revoke/", user="alice", name="build-7\0")
    assert "has no access token" in page
    assert [one.name for one in machine_tokens.list_tokens() if one.revoked_at is None] == [
        "build-7"
    ]


def test_a_grant_ends_before_the_year_10000(administrator: Client) -> None:
    make_user("alice", None, staff=False)
    form = {"holder": "alice", "ends": "9999-12-31T23:59:59-23:59", **EVERYWHERE}
    assert "allowed a time such as" in send(administrator, "grants/create/", **form)
    assert grants.list_grants() == []


def test_what_is_nobodys_name_may_be_a_password_and_is_kept_nowhere(
    administrator: Client,
) -> None:
    form = {"username": "hunter2hunter2", "password": "x", "next": "/dashboard/"}
    Client().post("/dashboard/login/", form)
    page = administrator.get(PAGE).content.decode()
    assert "nobody here" in page
    assert "hunter2" not in page
    assert "hunter2" not in repr(list(AccessAttempt.objects.values_list()))


def test_a_search_narrows_both_lists(administrator: Client) -> None:
    for name in ("alice", "bob"):
        user = make_user(name, None, staff=False)
        grants.create(REACH, user=user.pk)
        machine_tokens.create(user.pk, f"machine-of-{name}")
    page = administrator.get(PAGE, {"text": "ALI"}).content.decode()
    assert "machine-of-alice" in page
    assert "machine-of-bob" not in page
    assert "Remove */acme/** from alice" in page
    assert "Remove */acme/** from bob" not in page


ACTIONS = (
    ("grants/create/", {"kind": "user", "holder": "vera", **EVERYWHERE}),
    ("grants/remove/", {"grant": "1"}),
    ("tokens/revoke/", {"user": "vera", "name": "a"}),
    ("visibility/fix/", {"visibility": "public", **EVERYWHERE}),
    ("visibility/unfix/", EVERYWHERE),
    ("sign-ins/forget/", {"name": "vera", "address": "10.0.0.7"}),
)


@pytest.mark.parametrize("role", ["viewer", "operator"])
@pytest.mark.parametrize(("path", "form"), ACTIONS)
def test_other_roles_change_nothing(
    signed_in: SignedIn, role: str, path: str, form: dict[str, str]
) -> None:
    client = signed_in(role)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE + path, form).status_code == 403
    assert grants.list_grants() == []
    assert visibility.list_rules() == ()
    assert f'href="{PAGE}"' not in client.get("/dashboard/logs/").content.decode()


@pytest.mark.parametrize(("path", "form"), ACTIONS)
def test_an_action_takes_a_form(administrator: Client, path: str, form: dict[str, str]) -> None:
    assert administrator.get(PAGE + path, form).status_code == 405
