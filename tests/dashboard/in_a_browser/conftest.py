"""A running mirror with users of each role and traffic behind it, and a browser in front of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser

from tests.dashboard.in_a_browser import traffic
from tests.dashboard.in_a_browser.browser import Visitor, chromium
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.parts import require
from tests.e2e.processes import environment, scratch
from tests.fakes.upstream import FakeUpstream

PASSWORD = "correct horse battery"
PAGES = {
    "overview": "/dashboard/?range=1h",
    "transfers": "/dashboard/transfers/",
    "repositories": "/dashboard/repositories/",
    "repository": "/dashboard/repositories/1/",
    "pins": "/dashboard/pins/",
    "purge": "/dashboard/purge/",
    "upstreams": "/dashboard/upstreams/",
    "logs": "/dashboard/logs/",
    "log-levels": "/dashboard/logs/levels/",
    "connect": "/dashboard/connect/",
    "access": "/dashboard/access/",
    "users": "/dashboard/auth/user/",
    "user": "/dashboard/auth/user/add/",
    "groups": "/dashboard/auth/group/",
}

#: Signs somebody in: `admin`, or whose role is named.
Visit: TypeAlias = Callable[..., Visitor]


@pytest.fixture(scope="package")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="package")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    require("chromium")
    with (
        scratch("mirror") as home,
        Mirror(
            home / "data",
            "https://registry-1.docker.io",  # nobody asks it
            REGISTRY_UPSTREAMS=f"{{ghcr.io: {{remoteurl: '{upstream.url}'}}}}",
            REGISTRY_RETENTION_MAX_SIZE="200GiB",
            REGISTRY_RETENTION_MIN_FREE="1GiB",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        ) as mirror,
    ):
        _let_people_in(mirror)
        traffic.make(mirror, upstream)
        traffic.make_quota_history(mirror)
        yield mirror


_PROGRAM = f"""
from django.contrib.auth.models import Group, User
from django.core.management import call_command
for role in ("viewer", "operator", "administrator"):
    user = User.objects.create_user(role, password={PASSWORD!r}, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
call_command("grant", "create", "--user", "operator", "acme/*", "--upstream", "*")
call_command("token", "create", "operator", "build-12", "--limit", "acme/**")
call_command("pin", "acme/base/*")
"""


def _let_people_in(mirror: Mirror) -> None:
    """Somebody of each role, a grant, an access token, and a pin; in one process."""
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", _PROGRAM],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        env=environment(
            MIRROR_CONFIG="/dev/null",
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(mirror.root),
        ),
        check=True,
        timeout=60,
    )


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    require("chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(mirror: Mirror, browser: Browser) -> Iterator[Visit]:
    visitors: list[Visitor] = []

    def sign_in(name: str = "admin", *, dark: bool = False, width: int = 1280) -> Visitor:
        visitor = Visitor(browser, mirror.url, dark=dark, width=width)
        visitors.append(visitor)
        visitor.sign_in(name, PASSWORD)
        return visitor

    yield sign_in
    for visitor in visitors:
        visitor.close()
        assert visitor.elsewhere == []
        assert visitor.console == []
