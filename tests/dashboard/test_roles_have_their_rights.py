"""What each role may do, as the migration made it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User

from tests.dashboard.conftest import make_user

pytestmark = pytest.mark.django_db

SEE = "cache.view_dashboard"
WORK = {"cache.purge", "cache.pin", "cache.change_log_levels", "cache.test_upstreams"}
WORK |= {"cache.check_tags"}
RULE = {"auth.change_user", "auth.add_group", "cache.add_grant", "cache.delete_accesstoken"}


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("viewer", {SEE}, WORK | RULE),
        ("operator", {SEE} | WORK, RULE),
        ("administrator", {SEE} | WORK | RULE, {"auth.delete_permission", "cache.delete_blob"}),
    ],
)
def test_a_role_may_do_what_it_is_for(role: str, may: set[str], may_not: set[str]) -> None:
    held = make_user("somebody", role).get_all_permissions()
    assert may <= held
    assert not may_not & held


def test_no_permission_is_there_twice() -> None:
    """The migration makes some before Django does; both must agree on them."""
    codenames = [
        (kind, codename)
        for kind, codename in Permission.objects.values_list("content_type", "codename")
    ]
    assert len(codenames) == len(set(codenames))
    assert Permission.objects.get(codename="add_accesstoken").name == "Can add access token"


def test_a_superuser_may_do_all() -> None:
    assert User.objects.create_superuser("root", password="x").has_perms({SEE} | WORK | RULE)
