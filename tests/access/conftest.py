"""A mirror that may see more of its upstream than strangers do, and those who pull from it.

The upstream asks for tokens, and hides `acme/app` from whoever is not the mirror itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client as Browser

from cache import runtime
from cache.access import grants, users
from cache.access.decision import Reach
from cache.config import load
from cache.oci.pattern import Pattern
from cache.runtime import Runtime
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import environment
from tests.fakes.images import Image, build_image, descriptor
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

PRIVATE = "acme/app"
PUBLIC = "library/tool"
#: As long as the private one's name, so that answers can be compared byte by byte.
UNKNOWN = "acme/non"
PASSWORD = "correct horse battery"
MIRRORS_OWN = {"REGISTRY_PROXY_USERNAME": "mirror", "REGISTRY_PROXY_PASSWORD": "upstream secret"}


@dataclass(frozen=True, slots=True)
class House:
    """A running mirror, its upstream, and an operator's way to manage it."""

    mirror: Mirror
    upstream: FakeUpstream
    images: Mapping[str, Image]
    environ: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return self.mirror.url

    def manage(self, *command: str, said: str = "") -> dict[str, Any]:
        """A command of `manage.py`, and the last object that it prints as JSON."""
        ended = self.try_to_manage(*command, "--json", said=said)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    def try_to_manage(self, *command: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "manage.py", *command),
            cwd=PROJECT,
            env=dict(self.environ),
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def add_user(self, name: str, *options: str) -> None:
        self.manage("user", "create", name, "--password-stdin", *options, said=f"{PASSWORD}\n")

    def add_superuser(self, name: str) -> None:
        given = {
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "DJANGO_SUPERUSER_USERNAME": name,
            "DJANGO_SUPERUSER_EMAIL": "root@mirror.example",
        }
        subprocess.run(
            (
                sys.executable,
                "manage.py",
                "createsuperuser",
                "--no-input",
            ),
            cwd=PROJECT,
            env={**self.environ, **given},
            check=True,
            capture_output=True,
            timeout=60,
        )


def hiding_upstream(upstream: FakeUpstream) -> dict[str, Image]:
    """Have the fake hide the private repository; its images by repository."""
    service = upstream.require_bearer()
    service.users = {"mirror": "upstream secret"}
    service.private = frozenset({PRIVATE})
    images = {}
    for name in (PRIVATE, PUBLIC):
        image = build_image([f"a layer of {name}".encode()])
        images[name] = upstream.put_image(name, image, "v1")
        signed = build_image(
            [b"a signature"], extra={"subject": descriptor(image.manifest, image.media_type)}
        )
        upstream.put_image(name, signed)
    return images


@pytest.fixture(scope="package")
def start_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., House]]:
    """Start a mirror of an upstream that hides something; keywords add to its environment."""
    running: list[Mirror | FakeUpstream] = []

    def start(**extra: str) -> House:
        upstream = FakeUpstream()
        upstream.start()
        running.append(upstream)
        images = hiding_upstream(upstream)
        root = tmp_path_factory.mktemp("house") / "root"
        given = {"REGISTRY_PROXY_NEGATIVE_TTL": "0s", **MIRRORS_OWN, **extra}
        mirror = Mirror(root, upstream.url, **given)
        running.append(mirror)
        mirror.start()
        environ = environment(
            MIRROR_CONFIG=str(root.parent / "config.yml"),
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
            REGISTRY_PROXY_REMOTEURL=upstream.url,
            REGISTRY_HTTP_ADDR=mirror.address,
            **given,
        )
        return House(mirror, upstream, images, environ)

    yield start
    for each in reversed(running):
        each.stop()


@pytest.fixture(scope="package")
def house(start_house: Callable[..., House]) -> House:
    """The house that most tests share."""
    return start_house(
        REGISTRY_HTTP_TRUSTED_PROXIES="127.0.0.1",
        REGISTRY_ACCESS_IDENTITY_HEADER="X-Client-Subject",
    )


@pytest.fixture(scope="package")
def http(house: House) -> Iterator[httpx.Client]:
    """Speaks to the shared house's mirror."""
    with httpx.Client(
        base_url=house.url, timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        client.headers.pop("Accept")
        yield client


def token_for(
    client: httpx.Client, *scopes: str, auth: tuple[str, str] | None = None, **query: str
) -> str:
    """A token from the token endpoint, which has to give one."""
    parameters = [("service", "mirrorsite"), *(("scope", scope) for scope in scopes)]
    answer = client.get("/v2/token", params=[*parameters, *query.items()], auth=auth)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """An upstream of this test's own, that hides the private repository."""
    with FakeUpstream() as upstream:
        hiding_upstream(upstream)
        yield upstream


@pytest.fixture
def here(upstream: FakeUpstream, tmp_path: Path, db: None) -> Iterator[Runtime]:
    """This process as a mirror of that upstream, which knows it."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
        "REGISTRY_PROXY_NEGATIVE_TTL": "0s",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
        **MIRRORS_OWN,
    }
    (tmp_path / "root").mkdir()
    with runtime.using(runtime.build(load(None, environ))) as built:
        yield built
        assert built.coalescer.drain(30)
        built.close()


@pytest.fixture
def alice(here: Runtime) -> int:
    """A user with a grant for the private repository; the primary key."""
    user = users.create("alice", PASSWORD)
    grants.create(Reach(here.config.proxy.name, Pattern("acme/*")), user=user)
    return user


@contextmanager
def changed_to(here: Runtime, **access: Any) -> Iterator[Runtime]:
    """The mirror with other settings of the section `access`."""
    config = replace(here.config, access=replace(here.config.access, **access))
    with runtime.using(replace(here, config=config)) as other:
        yield other


@pytest.fixture
def client() -> Browser:
    """Asks this process, as clients do that name the mirror so."""
    return Browser(headers={"Host": "mirror.example:5000"})
