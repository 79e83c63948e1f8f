"""Users and groups: an administrator gives roles, and nobody gives more than they have."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests.dashboard.conftest import PASSWORD, SignedIn, make_user

USERS = "/dashboard/auth/user/"
GROUPS = "/dashboard/auth/group/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(signed_in: SignedIn) -> Client:
    return signed_in("administrator")


def role(name: str) -> str:
    return str(Group.objects.get(name=name).pk)


def test_a_user_is_made_with_a_role(administrator: Client) -> None:
    form = {
        "username": "olga",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "is_staff": "on",
        "groups": [role("operator")],
    }
    assert administrator.post(f"{USERS}add/", form).status_code == 302
    olga = User.objects.get(username="olga")
    assert olga.is_staff
    assert olga.has_perm("cache.purge")
    assert "olga" in administrator.get(USERS).content.decode()


@pytest.mark.parametrize("name", ["viewer", "operator"])
@pytest.mark.parametrize("path", [USERS, GROUPS, f"{USERS}add/", f"{GROUPS}add/"])
def test_other_roles_see_none_of_it(signed_in: SignedIn, name: str, path: str) -> None:
    assert signed_in(name).get(path).status_code == 403
    assert USERS not in signed_in("administrator").get("/dashboard/nothing/").content.decode()


def test_nobody_makes_themselves_a_superuser(administrator: Client) -> None:
    me = User.objects.get(username="the-administrator")
    form = {
        "username": me.username,
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [role("administrator")],
        "user_permissions": [str(Permission.objects.get(codename="delete_session").pk)],
    }
    assert administrator.post(f"{USERS}{me.pk}/change/", form).status_code == 302
    me = User.objects.get(pk=me.pk)
    assert not me.is_superuser
    assert not me.user_permissions.exists()


def test_no_group_is_given_that_may_more_than_the_giver(administrator: Client) -> None:
    mighty = Group.objects.create(name="mighty")
    mighty.permissions.add(Permission.objects.get(codename="delete_session"))
    vera = make_user("vera", "viewer")
    form = {"username": "vera", "is_active": "on", "groups": [str(mighty.pk)]}
    assert administrator.post(f"{USERS}{vera.pk}/change/", form).status_code == 200
    assert list(vera.groups.values_list("name", flat=True)) == ["viewer"]


def test_a_superuser_is_out_of_reach(administrator: Client) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    page = administrator.get(f"{USERS}{root.pk}/change/")
    assert b'name="_save"' not in page.content
    form = {"username": "mine", "is_active": "on"}
    assert administrator.post(f"{USERS}{root.pk}/change/", form).status_code == 403
    passwords = {"password1": "another long one", "password2": "another long one"}
    assert administrator.post(f"{USERS}{root.pk}/password/", passwords).status_code == 403
    assert administrator.post(f"{USERS}{root.pk}/delete/", {"post": "yes"}).status_code == 403
    ticked = {"action": "delete_selected", "_selected_action": [str(root.pk)], "post": "yes"}
    administrator.post(USERS, ticked)
    assert User.objects.get(pk=root.pk).check_password(PASSWORD)


def test_so_is_whoever_may_more(administrator: Client) -> None:
    vera = make_user("vera", "viewer")
    vera.is_active = False
    vera.save()
    assert b'name="_save"' in administrator.get(f"{USERS}{vera.pk}/change/").content
    vera.user_permissions.add(Permission.objects.get(codename="delete_session"))
    assert b'name="_save"' not in administrator.get(f"{USERS}{vera.pk}/change/").content


def test_nobody_removes_themselves(administrator: Client) -> None:
    me = User.objects.get(username="the-administrator")
    assert administrator.post(f"{USERS}{me.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=me.pk).exists()


def test_a_group_of_an_administrator_gets_no_rights(administrator: Client) -> None:
    form = {
        "name": "team",
        "permissions": [str(Permission.objects.get(codename="delete_session").pk)],
    }
    assert administrator.post(f"{GROUPS}add/", form).status_code == 302
    assert not Group.objects.get(name="team").permissions.exists()


def test_a_superuser_makes_another(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    client.force_login(
        User.objects.get(username="root"), "django.contrib.auth.backends.ModelBackend"
    )
    heir = make_user("heir", "viewer")
    form = {"username": "heir", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert client.post(f"{USERS}{heir.pk}/change/", form).status_code == 302
    assert User.objects.get(pk=heir.pk).is_superuser
