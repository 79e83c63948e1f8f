"""An upstream's own proxy, or the environment's; its password is for the proxy alone."""

from __future__ import annotations

import traceback

import pytest

from cache.upstream.client import Endpoint
from cache.upstream.errors import BadAnswer, Unreachable, UpstreamError
from tests.e2e.parts import require
from tests.fakes.certificates import Authority
from tests.fakes.proxy import FakeProxy
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

PASSWORD = "hunter2-the-password"
LAYER = b"layer" * 100_000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    require("openssl")
    return Authority.make(tmp_path_factory.mktemp("authority"))


def test_tls_goes_through_it_unread(connect: Connect, authority: Authority) -> None:
    tls = authority.server("127.0.0.1")
    with FakeProxy() as proxy, FakeUpstream(tls=tls) as registry:
        digest = registry.add_blob("library/alpine", LAYER)
        upstream = connect(registry, ca=authority.ca, proxy=f"http://{proxy.address}")

        with upstream.open_blob(ALPINE, digest) as stream:
            assert b"".join(stream.chunks) == LAYER

        assert proxy.asked == [f"CONNECT {registry.host}:{registry.port}"]
        assert registry.requests[0].header("proxy-authorization") is None


def test_it_may_want_a_password(connect: Connect, authority: Authority) -> None:
    tls = authority.server("127.0.0.1")
    with FakeProxy(user=f"me:{PASSWORD}/%") as proxy, FakeUpstream(tls=tls) as registry:
        address = f"http://me:{PASSWORD}%2F%25@{proxy.address}"
        connect(registry, ca=authority.ca, proxy=address).ping()

        assert registry.count() == 1
        assert PASSWORD not in repr(registry.requests)


def test_plain_http_goes_through_it_too(registry: FakeUpstream, connect: Connect) -> None:
    with FakeProxy() as proxy:
        connect(registry, proxy=f"http://{proxy.address}").ping()

        assert proxy.asked == [f"GET {registry.url}/v2/"]


def test_token_server_and_storage_are_reached_through_it(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", b"x")
    service = registry.require_bearer()
    registry.require_bearer(service, elsewhere.host_tokens(service))
    registry.redirect_blobs_to(elsewhere)
    with FakeProxy() as proxy:
        upstream = connect(registry, proxy=f"http://{proxy.address}")
        with upstream.open_blob(ALPINE, digest) as stream:
            assert b"".join(stream.chunks) == b"x"

        assert len(proxy.asked) == registry.count() + elsewhere.count() == 4


def test_it_stands_above_the_environment(
    registry: FakeUpstream, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an environment that would go without a proxy, as NO_PROXY=* of the other tests says
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with FakeProxy() as proxy:
        connect(registry, proxy=f"http://{proxy.address}").ping()

        assert len(proxy.asked) == 1


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_the_environments_is_used_where_there_is_none(
    connect: Connect, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    _without_no_proxy(monkeypatch)
    with FakeProxy() as proxy, FakeUpstream(tls=authority.server("127.0.0.1")) as registry:
        monkeypatch.setenv(variable, f"http://{proxy.address}")
        connect(registry, ca=authority.ca).ping()

        assert proxy.asked == [f"CONNECT {registry.host}:{registry.port}"]


def test_no_proxy_is_honoured(
    connect: Connect, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_no_proxy(monkeypatch)
    with FakeProxy() as proxy, FakeUpstream(tls=authority.server("127.0.0.1")) as registry:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", registry.host)
        connect(registry, ca=authority.ca).ping()

        assert (proxy.asked, registry.count()) == ([], 1)


def test_it_may_speak_tls_itself_and_is_verified(connect: Connect, authority: Authority) -> None:
    certificate, key = authority.sign("mirror")
    known = {"client_certificate": certificate, "client_key": key}
    tls = authority.server("127.0.0.1", wants_certificate=True)
    with (
        FakeProxy(tls=tls) as proxy,
        FakeUpstream(tls=authority.server("127.0.0.1")) as registry,
    ):
        address = f"https://{proxy.address}"
        connect(registry, ca=authority.ca, proxy=address, **known).ping()
        assert (len(proxy.asked), proxy.certificates) == (1, {None})

        # however blindly the upstream itself is trusted
        with pytest.raises(Unreachable):
            connect(registry, insecure_skip_verify=True, proxy=address).ping()
        assert len(proxy.asked) == 1


def _without_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)


# What goes wrong names the proxy, and not its password.


def test_one_that_refuses_is_told_of(connect: Connect, authority: Authority) -> None:
    with FakeProxy(user="me:other") as proxy, FakeUpstream(tls=authority.server("127.0.0.1")) as up:
        shown = _failure(connect, up, f"http://me:{PASSWORD}@{proxy.address}", Unreachable)

    assert "The proxy refused to connect to 127.0.0.1" in shown
    assert "(407)" in shown


def test_one_that_refuses_plain_http_is_told_of(registry: FakeUpstream, connect: Connect) -> None:
    with FakeProxy(user="me:other") as proxy:
        shown = _failure(connect, registry, f"http://me:{PASSWORD}@{proxy.address}", BadAnswer)

    assert "407" in shown


def test_one_that_is_off_is_named(registry: FakeUpstream, connect: Connect) -> None:
    shown = _failure(connect, registry, f"http://me:{PASSWORD}@127.0.0.1:1", Unreachable)

    assert "through the proxy 127.0.0.1:1: connection refused" in shown


def test_one_that_cannot_reach_upstream_is_told_of(connect: Connect, authority: Authority) -> None:
    with FakeUpstream(tls=authority.server("127.0.0.1")) as gone:
        pass
    with FakeProxy() as proxy:
        shown = _failure(connect, gone, f"http://me:{PASSWORD}@{proxy.address}", Unreachable)

    assert "(502)" in shown


def test_an_address_is_shown_without_its_user() -> None:
    assert PASSWORD not in repr(Endpoint("https://ghcr.io", proxy=f"http://me:{PASSWORD}@x:1"))


def _failure(
    connect: Connect, registry: FakeUpstream, proxy: str, error: type[UpstreamError]
) -> str:
    with pytest.raises(error) as raised:
        connect(registry, proxy=proxy).head_manifest(ALPINE, LATEST)
    shown = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in shown
    return shown
