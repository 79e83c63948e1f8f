"""Each option of an upstream is handed to what speaks to it, none is read in vain."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from cache import runtime
from cache.config import Config, Exec, Proxy, Storage, capacity
from cache.oci.reference import RepositoryName, Tag
from cache.upstream.client import Endpoint
from cache.upstream.helper import Helper
from tests.fakes.authentication import TokenService
from tests.fakes.upstream import FakeUpstream

PROXY = Proxy(
    registry="r.example",
    remoteurl="https://r.example:5443",
    username="bob",
    password="pw",
    auth_realm=("auth.example",),
    ca=Path("/ca.pem"),
    client_certificate=Path("/a.pem"),
    client_key=Path("/a.key"),
    insecure_skip_verify=True,
    proxy="http://egress:3128",
    connect_timeout=timedelta(seconds=1),
    first_byte_timeout=timedelta(seconds=2),
    stall_timeout=timedelta(seconds=3),
    max_connections=400,
    bandwidth=8_000_000,
    offline=True,
)


def endpoint(proxy: Proxy, folder: Path) -> Endpoint:
    built = runtime.build(Config(Storage(folder), proxy=proxy))
    try:
        return built.upstreams[proxy.name].endpoint
    finally:
        built.close()


def test_all_of_it(tmp_path: Path) -> None:
    processes = capacity.workers(os.environ)

    made = endpoint(PROXY, tmp_path)

    assert (made.url, made.username, made.password) == ("https://r.example:5443", "bob", "pw")
    assert made.realms == ("auth.example",)
    assert (made.insecure_skip_verify, made.offline) == (True, True)
    assert made.proxy == "http://egress:3128"
    assert (made.ca, made.client_certificate) == (Path("/ca.pem"), Path("/a.pem"))
    assert made.client_key == Path("/a.key")
    assert (made.connect_timeout, made.first_byte_timeout, made.stall_timeout) == (1, 2, 3)
    assert made.bandwidth == 8_000_000
    assert made.max_connections == 400 // (2 * processes)


def test_a_helper_is_asked_for_the_registrys_host(tmp_path: Path) -> None:
    proxy = Proxy(registry="r.example", remoteurl="https://r.example:5443", exec=Exec("/bin/h"))

    assert endpoint(proxy, tmp_path).helper == Helper("/bin/h", "r.example:5443", None)


def test_for_docker_hub_it_is_asked_as_docker_login_does(tmp_path: Path) -> None:
    assert endpoint(Proxy(exec=Exec("/bin/h")), tmp_path).helper == Helper(
        "/bin/h", "https://index.docker.io/v1/", None
    )


def test_a_helpers_word_is_exchanged_for_a_token_that_all_processes_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    program = tmp_path / "docker-credential-test"
    program.write_text("""#!/bin/sh\necho '{"Username":"bob","Secret":"pw"}'\n""")
    program.chmod(0o700)
    (tmp_path / "root").mkdir()
    name, tag = RepositoryName("acme/secret"), Tag("latest")
    with FakeUpstream() as registry:
        registry.add_image(str(name), str(tag))
        registry.require_bearer(TokenService(users={"bob": "pw"}, private=frozenset({str(name)})))
        proxy = Proxy(
            registry="r.example",
            remoteurl=registry.url,
            exec=Exec(str(program), timedelta(hours=1)),
        )
        for _ in range(2):
            built = runtime.build(Config(Storage(tmp_path / "root"), proxy=proxy))
            upstream = built.upstreams["r.example"]
            assert upstream.endpoint.helper is not None
            assert upstream.endpoint.helper.lifetime == 3600
            assert upstream.head_manifest(name, tag).digest is not None
            built.close()

        assert registry.count(path="/token") == 1
