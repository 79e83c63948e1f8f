"""A credential helper, as Docker has them, in place of a fixed user name and password."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.upstream.credentials import Helper, Pair
from cache.upstream.errors import Denied, ServerFailed
from tests.fakes.authentication import TokenService
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import LATEST, SECRET

Make = Callable[..., Helper]


@pytest.fixture
def helper(tmp_path: Path) -> Make:
    """A helper that runs these shell lines, with the server's address in `$server`."""

    def make(lines: str, lifetime: float | None = None) -> Helper:
        program = tmp_path / "docker-credential-test"
        program.write_text(f'#!/bin/sh\n[ "$1" = get ] || exit 9\nread server\n{lines}\n')
        program.chmod(0o755)
        return Helper(str(program), "registry.example", lifetime)

    return make


def counted(folder: Path, secrets: str) -> str:
    """Shell lines that count their calls in a file, and say one of the secrets after the other."""
    calls = folder / "calls"
    return (
        f'echo "$server" >> {calls}; n=$(wc -l < {calls}); set -- {secrets}; '
        'while [ "$n" -gt 1 ] && [ $# -gt 1 ]; do shift; n=$((n-1)); done; '
        """printf '{"ServerURL":"x","Username":"bob","Secret":"%s"}' "$1" """
    )


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().split()


def test_it_is_asked_once_for_the_registry(
    registry: FakeUpstream, connect: Connect, helper: Make, tmp_path: Path
) -> None:
    registry.add_image("acme/secret", "latest")
    registry.require_basic({"bob": "pw"})
    upstream = connect(registry, helper=helper(counted(tmp_path, "pw")))

    for _ in range(3):
        upstream.head_manifest(SECRET, LATEST)

    assert calls(tmp_path) == ["registry.example"]


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_what_upstream_refuses_is_asked_for_anew(
    registry: FakeUpstream, connect: Connect, helper: Make, tmp_path: Path, kind: str
) -> None:
    registry.add_image("acme/secret", "latest")
    users = {"bob": "first"}
    if kind == "basic":
        registry.require_basic(users)
    service = registry.require_bearer(TokenService(users=users)) if kind == "bearer" else None
    upstream = connect(registry, helper=helper(counted(tmp_path, "first second")))
    upstream.head_manifest(SECRET, LATEST)

    users["bob"] = "second"
    if service is not None:
        service.revoke_all()
    upstream.head_manifest(SECRET, LATEST)

    assert len(calls(tmp_path)) == 2


def test_a_lifetime_is_honoured(
    registry: FakeUpstream, connect: Connect, helper: Make, tmp_path: Path
) -> None:
    clock = [0.0]
    registry.add_image("acme/secret", "latest")
    registry.require_basic({"bob": "pw"})
    said = helper(counted(tmp_path, "pw"), lifetime=60.0)
    upstream = connect(registry, now=lambda: clock[0], helper=said)

    for clock[0] in (0.0, 59.0, 60.0):
        upstream.head_manifest(SECRET, LATEST)

    assert len(calls(tmp_path)) == 2


def test_a_wrong_secret_does_not_go_round_in_circles(
    registry: FakeUpstream, connect: Connect, helper: Make, tmp_path: Path
) -> None:
    registry.require_basic({"bob": "pw"})
    upstream = connect(registry, helper=helper(counted(tmp_path, "wrong")))
    with pytest.raises(Denied):
        upstream.head_manifest(SECRET, LATEST)

    with pytest.raises(Denied, match="refused the configured"):
        upstream.head_manifest(SECRET, LATEST)

    assert len(calls(tmp_path)) == 2
    assert registry.count() == 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("echo hunter2 >&2; exit 1", "ended with 1"),
        ("echo hunter2", "cannot be read"),
        ("""echo '{"Username": "bob"}'""", "cannot be read"),
        ("""echo '{"Username": "", "Secret": "hunter2"}'""", "no user or no secret"),
        ("""echo '["hunter2"]'""", "cannot be read"),
    ],
)
def test_one_that_fails_is_named_and_nothing_it_said(
    registry: FakeUpstream,
    connect: Connect,
    helper: Make,
    caplog: pytest.LogCaptureFixture,
    lines: str,
    reason: str,
) -> None:
    registry.require_basic({"bob": "pw"})

    with caplog.at_level(logging.DEBUG), pytest.raises(ServerFailed, match=reason) as failed:
        connect(registry, helper=helper(lines)).head_manifest(SECRET, LATEST)

    assert "hunter2" not in str(failed.value) + caplog.text


def test_one_that_is_not_there_is_upstreams_failure(
    registry: FakeUpstream, connect: Connect, tmp_path: Path
) -> None:
    registry.require_basic({"bob": "pw"})
    missing = Helper(str(tmp_path / "nothing"), "registry.example")

    with pytest.raises(ServerFailed, match="no such file"):
        connect(registry, helper=missing).head_manifest(SECRET, LATEST)


def test_a_pair_does_not_show_its_secret() -> None:
    assert "hunter2" not in repr(Pair("bob", "hunter2"))
