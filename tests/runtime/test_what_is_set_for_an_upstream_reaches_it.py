"""Each option of an upstream is handed to what speaks to it, none is read in vain."""

from __future__ import annotations

import os
from pathlib import Path

from cache import runtime
from cache.config import Config, Exec, Proxy, Storage, capacity
from cache.upstream.client import Endpoint
from cache.upstream.credentials import Helper

PROXY = Proxy(
    registry="r.example",
    remoteurl="https://r.example:5443",
    username="bob",
    password="pw",
    auth_realm=("auth.example",),
    ca=None,
    insecure_skip_verify=True,
    proxy="http://egress:3128",
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
    assert made.bandwidth == 8_000_000 / processes
    assert made.max_connections == 400 // (2 * processes)


def test_a_helper_is_asked_for_the_registrys_host(tmp_path: Path) -> None:
    proxy = Proxy(registry="r.example", remoteurl="https://r.example:5443", exec=Exec("/bin/h"))

    assert endpoint(proxy, tmp_path).helper == Helper("/bin/h", "r.example:5443", None)


def test_for_docker_hub_it_is_asked_as_docker_login_does(tmp_path: Path) -> None:
    assert endpoint(Proxy(exec=Exec("/bin/h")), tmp_path).helper == Helper(
        "/bin/h", "https://index.docker.io/v1/", None
    )
