"""Files to copy for each client, with the address by which the viewer came; and their pulls."""

from __future__ import annotations

import json
import re
import time
import tomllib
from html import unescape

import pytest
import yaml
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from cache.access import machine_tokens
from cache.clients import Mirror
from cache.models import AccessToken
from cache.report import Reporter
from cache.runtime import Runtime
from dashboard.queries import clients
from tests.dashboard.conftest import SignedIn
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.django_db

HOST = "mirror.example:5000"
TOKEN = machine_tokens.PREFIX + "t" * 43
PAGE = "/dashboard/connect/"
MAKE = "/dashboard/access/tokens/create/"


def test_the_page_has_a_file_for_each_client(signed_in: SignedIn, mirror: Runtime) -> None:
    page = signed_in("viewer").get("/dashboard/connect/", headers={"Host": HOST}).content.decode()
    for path in (
        "/etc/docker/daemon.json",
        "/etc/containerd/certs.d/docker.io/hosts.toml",
        "/etc/containers/registries.conf.d/mirror.conf",
        "/etc/rancher/k3s/registries.yaml",
    ):
        assert path in page


def test_a_token_goes_where_each_client_keeps_it(mirror: Runtime) -> None:
    with_token = Mirror(mirror.config, f"http://{HOST}", TOKEN)
    shown = {one.key: one.file for one in clients.files(with_token)}
    docker = json.loads(shown["docker"].content)
    assert docker["registry-mirrors"] == [f"http://{HOST}/t/{TOKEN}/"]
    containerd = tomllib.loads(shown["containerd-0"].content)
    header = containerd["host"][f"http://{HOST}"]["header"]
    assert header == {"Authorization": [f"Bearer {TOKEN}"]}
    assert any(TOKEN in note for note in shown["podman"].notes)
    k3s = yaml.safe_load(shown["k3s"].content)
    assert k3s["configs"] == {HOST: {"auth": {"username": "token", "password": TOKEN}}}
    assert TOKEN not in repr(with_token)


def test_a_token_is_made_on_request_and_shown_once(signed_in: SignedIn, mirror: Runtime) -> None:
    administrator = signed_in("administrator")
    assert "mirror_" not in administrator.get(PAGE).content.decode()
    form = {"name": "build-7", "ends": "90d", "form": "connect"}
    page = unescape(administrator.post(MAKE, form, headers={"Host": HOST}).content.decode())
    match = re.search(rf'"http://{HOST}/t/(mirror_[A-Za-z0-9_-]+)/"', page)
    assert match is not None
    found = machine_tokens.sign_in(match[1], mirror.remembered, mirror.now())
    assert found is not None
    assert found.client.name == "the-administrator"
    assert match[1] not in administrator.get(PAGE).content.decode()
    assert match[1] not in administrator.get("/dashboard/access/").content.decode()
    assert match[1] not in repr(list(LogEntry.objects.values_list()))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"name": ""}, "its name has to have 1 to 100 characters"),
        ({"name": "a", "ends": "yesterday"}, "a time such as 30d"),
        ({"name": "a", "user": "nobody"}, "there is no user"),
        ({"name": "a", "limits": "Not:a pattern"}, "a pattern of repositories"),
        ({"name": "taken"}, "has an access token"),
    ],
)
def test_a_mistake_in_the_form_makes_no_token(
    signed_in: SignedIn, mirror: Runtime, form: dict[str, str], says: str
) -> None:
    administrator = signed_in("administrator")
    machine_tokens.create(User.objects.get().pk, "taken")
    page = administrator.post(MAKE, form, follow=True).content.decode()
    assert "No access token was made" in page
    assert says in unescape(page)
    assert AccessToken.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_other_roles_make_no_token(signed_in: SignedIn, mirror: Runtime, role: str) -> None:
    client = signed_in(role)
    assert MAKE not in client.get(PAGE).content.decode()
    assert client.post(MAKE, {"name": "a"}).status_code == 403
    assert not AccessToken.objects.exists()


def test_the_page_has_the_address_by_which_one_came(signed_in: SignedIn, mirror: Runtime) -> None:
    page = signed_in("viewer").get("/dashboard/connect/", headers={"Host": HOST}).content.decode()
    assert f'"registry-mirrors": [\n    "http://{HOST}"' in unescape(page)


def test_a_pull_is_seen(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    viewer = signed_in("viewer")
    since = time.time()
    url = f"/dashboard/connect/pulls/?since={since}"
    assert "Waiting for a pull" in viewer.get(url).content.decode()
    upstream.add_image("library/busybox", "latest")
    client.head("/v2/library/busybox/manifests/latest", headers={"User-Agent": "docker/29.7"})
    Reporter(mirror).show(time.time())
    page = viewer.get(url).content.decode()
    assert "docker/29.7 from 127.0.0.1" in page
    assert "library/busybox</strong> latest" in page
    later = viewer.get(f"/dashboard/connect/pulls/?since={time.time()}").content.decode()
    assert "Waiting for a pull" in later
