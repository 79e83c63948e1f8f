"""People who look at the dashboard, each with a role, and a mirror to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.pull.conftest import mirror, upstream

__all__ = ["mirror", "upstream"]

PASSWORD = "a long enough one"

SignedIn: TypeAlias = Callable[[str], Client]


def make_user(name: str, role: str | None, *, staff: bool = True) -> User:
    user = User.objects.create_user(name, password=PASSWORD, is_staff=staff)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def signed_in(db: None) -> SignedIn:
    """A client of somebody who has signed in with that role."""

    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(
            make_user(f"the-{role}", role), "django.contrib.auth.backends.ModelBackend"
        )
        return client

    return sign_in
