from __future__ import annotations

import logging
import traceback

import pytest

from cache.upstream.client import Endpoint
from cache.upstream.errors import UpstreamError
from cache.upstream.tokens import Token
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST, SECRET

PASSWORD = "hunter2-the-password"


def test_values_do_not_show_them() -> None:
    endpoint = Endpoint("https://registry.example", "bob", PASSWORD)

    assert PASSWORD not in repr(endpoint)
    assert PASSWORD not in repr(Token(PASSWORD, 60))


@pytest.mark.parametrize(
    "url",
    [
        f"https://bob:{PASSWORD}@registry.example",
        f"https://registry.example/?token={PASSWORD}",
        f"https://registry.example/#{PASSWORD}",
        f"ftp://{PASSWORD}",
        f"https://{PASSWORD}:port",
        "",
    ],
)
def test_an_address_with_secrets_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="url must be") as refused:
        Endpoint(url)

    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_logs_of_everything_show_none(
    registry: FakeUpstream,
    elsewhere: FakeUpstream,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.add_image("acme/secret", "latest")
    digest = registry.add_blob("acme/secret", b"layer")
    registry.require_bearer(TokenService(users={"bob": PASSWORD}))
    registry.redirect_blobs_to(elsewhere)
    upstream = connect(registry, username="bob", password=PASSWORD)

    with caplog.at_level(logging.DEBUG):
        upstream.get_manifest(SECRET, LATEST)
        with upstream.open_blob(SECRET, digest) as stream:
            b"".join(stream.chunks)

    (token,) = registry.token_service._granted  # type: ignore[union-attr]
    ((_, signature),) = elsewhere.signed
    for secret in (PASSWORD, token, signature, "Basic "):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=403),
        Fault(cut_after=-1),
        Fault(status=307),
        Fault(status=307, headers={"Location": f"http://{PASSWORD}@127.0.0.1/"}),
        Fault(status=307, headers={"Location": f"http://registry.invalid/?signature={PASSWORD}"}),
        Fault(status=200, headers={"Content-Type": "text/html"}, body=PASSWORD.encode()),
        Fault(status=200, headers={"Content-Encoding": PASSWORD}),
        Fault(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://[{PASSWORD}"'}),
        Fault(status=401, headers={"WWW-Authenticate": f'Bearer realm="ftp://x/{PASSWORD}"'}),
    ],
)
def test_errors_show_none(registry: FakeUpstream, connect: Connect, fault: Fault) -> None:
    registry.require_basic({"bob": PASSWORD})
    registry.misbehave(fault, path="/manifests/")

    with pytest.raises(UpstreamError) as raised:
        connect(registry, username="bob", password=PASSWORD).get_manifest(ALPINE, LATEST)

    shown = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in shown
    assert "Basic " not in shown
