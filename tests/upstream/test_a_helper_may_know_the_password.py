"""`exec`: a Docker credential helper is asked, in bounds, and what it says ends up nowhere else."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cache.upstream.credentials import Asked, Credentials
from cache.upstream.errors import Denied, NoCredentials
from cache.upstream.helper import Helper, ask_helper
from tests.e2e.processes import eventually
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import LATEST, SECRET

PASSWORD = "hunter2-the-password"

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes a helper of a shell script; each run adds what it is asked to the file `asked`."""

    def make(script: str) -> Path:
        path = tmp_path / "docker-credential-test"
        path.write_text(f'#!/bin/sh\ncd "{tmp_path}"\necho "$1 $(cat)" >> asked\n{script}\n')
        path.chmod(0o700)
        return path

    return make


def _says(username: str, secret: str) -> str:
    return f"""echo '{{"ServerURL":"x","Username":"{username}","Secret":"{secret}"}}'"""


def _asked(program: Path) -> list[str]:
    return (program.parent / "asked").read_text().splitlines()


def _at(registry: FakeUpstream, program: Path) -> Helper:
    return Helper(str(program), f"{registry.host}:{registry.port}")


def _private(registry: FakeUpstream) -> TokenService:
    registry.add_image("acme/secret", "latest")
    return registry.require_bearer(
        TokenService(users={"bob": "pw"}, private=frozenset({"acme/secret"}))
    )


def test_it_is_asked_for_the_upstreams_host(
    registry: FakeUpstream, connect: Connect, program: Program
) -> None:
    _private(registry)
    helper = program(_says("bob", "pw"))
    upstream = connect(registry, helper=_at(registry, helper))

    upstream.head_manifest(SECRET, LATEST)
    upstream.ping()

    assert _asked(helper) == [f"get {registry.host}:{registry.port}"]


def test_credentials_that_are_refused_are_asked_for_again_once(
    registry: FakeUpstream, connect: Connect, program: Program
) -> None:
    # given a helper whose first password has run out
    _private(registry)
    helper = program(f'if [ $(wc -l < asked) = 1 ]; then {_says("bob", "old")}; exit; fi\n'
                     + _says("bob", "pw"))  # fmt: skip
    upstream = connect(registry, helper=_at(registry, helper))

    assert upstream.head_manifest(SECRET, LATEST).digest is not None
    assert len(_asked(helper)) == 2
    assert registry.count(path="/token") == 2


def test_a_password_that_stays_refused_is_a_denial(
    registry: FakeUpstream, connect: Connect, program: Program
) -> None:
    _private(registry)
    helper = program(_says("bob", "wrong"))

    with pytest.raises(Denied):
        connect(registry, helper=_at(registry, helper)).head_manifest(SECRET, LATEST)

    assert len(_asked(helper)) == 2
    assert registry.count(path="/token") == 1


def test_basic_authentication_asks_again_too(
    registry: FakeUpstream, connect: Connect, program: Program
) -> None:
    registry.add_image("acme/secret", "latest")
    registry.require_basic({"bob": "first"})
    helper = program("cat password")
    password = helper.parent / "password"
    password.write_text('{"Username":"bob","Secret":"first"}')
    upstream = connect(registry, helper=_at(registry, helper))
    upstream.head_manifest(SECRET, LATEST)

    registry.require_basic({"bob": "second"})
    password.write_text('{"Username":"bob","Secret":"second"}')

    assert upstream.head_manifest(SECRET, LATEST).digest is not None
    assert len(_asked(helper)) == 2


def test_a_403_may_mean_that_an_old_password_has_run_out(
    registry: FakeUpstream, connect: Connect, program: Program
) -> None:
    # given a registry that says so, as ECR does: with 403 and without a challenge
    registry.add_image("acme/secret", "latest")
    registry.require_basic({"bob": "first", "bot": "second"})
    helper = program(f'if [ $(wc -l < asked) = 1 ]; then {_says("bob", "first")}; exit; fi\n'
                     + _says("bot", "second"))  # fmt: skip
    now = [1000.0]
    upstream = connect(registry, now=lambda: now[0], helper=_at(registry, helper))
    upstream.head_manifest(SECRET, LATEST)

    # when what the helper said is old, it is asked again
    now[0] += 43_200
    registry.misbehave(Fault(status=403), times=1)
    assert upstream.head_manifest(SECRET, LATEST).digest is not None
    assert len(_asked(helper)) == 2

    # and when it is new, a 403 is a 403
    registry.misbehave(Fault(status=403), times=1)
    with pytest.raises(Denied):
        upstream.head_manifest(SECRET, LATEST)
    assert len(_asked(helper)) == 2


@pytest.mark.parametrize(
    ("lifetime", "still", "again"), [(None, 1e9, None), (60.0, 59.0, 60.0), (0.0, None, 0.0)]
)
def test_its_word_holds_for_the_lifetime(
    lifetime: float | None, still: float | None, again: float | None
) -> None:
    now = [1000.0]
    runs: list[float] = []

    def ask() -> Credentials:
        runs.append(now[0])
        return Credentials("bob", "pw")

    helper = Asked(ask, lifetime, lambda: now[0])
    helper.get()

    if still is not None:
        now[0] = 1000.0 + still
        helper.get()
        assert len(runs) == 1
    if again is not None:
        now[0] = 1000.0 + again
        helper.get()
        assert len(runs) == 2


def test_a_clock_that_was_set_back_makes_it_ask_again() -> None:
    now = [1000.0]
    runs: list[float] = []

    def ask() -> Credentials:
        runs.append(now[0])
        return Credentials("bob", "pw")

    helper = Asked(ask, 60.0, lambda: now[0])
    helper.get()
    now[0] = 999.0
    helper.get()

    assert len(runs) == 2


class CountedLock:
    """A lock that knows how many have come to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.came = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("fails", [False, True])
def test_many_who_ask_at_once_share_one_run(fails: bool) -> None:
    # given a run that goes on until all have come to wait for it
    gate, lock, runs = Gate(), CountedLock(), []

    def ask() -> Credentials:
        runs.append(1)
        gate.pass_through()
        if fails:
            raise NoCredentials("no")
        return Credentials("bob", "pw")

    helper = Asked(ask, 0.0, lambda: 0.0)
    vars(helper)["_lock"] = lock

    def get() -> Credentials | str:
        try:
            return helper.get()
        except NoCredentials as error:
            return str(error)

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(get)
        gate.wait_until_reached()
        others = [pool.submit(get) for _ in range(4)]
        for _ in range(5):
            assert lock.came.acquire(timeout=20)
        gate.open()
        outcomes = {each.result() for each in (first, *others)}

    # then all share it, although it counts only once
    assert outcomes == {"no" if fails else Credentials("bob", "pw")}
    assert len(runs) == 1


# Whatever it does, it is told in one sentence, in bounded time, without a word of what it printed.


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo '{PASSWORD}'; exit 1", "exit code 1"),
        (f"echo '{PASSWORD}' >&2; kill -9 $$", "exit code -9"),
        (f"echo '{PASSWORD}'", "printed no user name and secret"),
        (f"echo '[\"{PASSWORD}\"]'", "printed no user name and secret"),
        (f'echo \'{{"Username":"{PASSWORD}"}}\'', "printed no user name and secret"),
        (_says("", PASSWORD), "has nothing for"),
        (_says("bob", ""), "has nothing for"),
        (_says("a:b", PASSWORD), "printed what cannot be sent"),
        (_says("bob", PASSWORD + "\\\\ud800"), "printed what cannot be sent"),
        (f"while :; do echo {PASSWORD * 50}; done", "printed more"),
        ("exit 0", "printed no user name and secret"),
    ],
)
def test_what_goes_wrong_is_told_without_its_words(
    registry: FakeUpstream,
    connect: Connect,
    program: Program,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    script: str,
    said: str,
) -> None:
    _private(registry)
    upstream = connect(registry, helper=_at(registry, program(script)))

    with pytest.raises(NoCredentials, match=said) as raised:
        upstream.head_manifest(SECRET, LATEST)

    shown = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in shown + caplog.text + repr(upstream.endpoint)
    assert PASSWORD not in "".join(capfd.readouterr())
    assert registry.count(path="/token") == 0


def test_one_that_never_ends_is_ended_with_what_it_started(
    program: Program, tmp_path: Path
) -> None:
    helper = program("sleep 1000 &\necho $! > child\nsync\nwait")

    with pytest.raises(NoCredentials, match="took longer than"):
        ask_helper(Helper(str(helper), "ghcr.io"), patience=1.0)

    child = int((tmp_path / "child").read_text())
    eventually(lambda: _is_dead(child), "what the helper started has ended")


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_one_that_is_gone_is_told(registry: FakeUpstream, connect: Connect) -> None:
    _private(registry)

    with pytest.raises(NoCredentials, match="cannot be run: no such file") as raised:
        connect(registry, helper=Helper("/nowhere/docker-credential-x", "x")).head_manifest(
            SECRET, LATEST
        )

    assert "/nowhere" not in str(raised.value)


def test_the_mirrors_own_secrets_are_not_passed_on(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PROXY_PASSWORD", PASSWORD)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://bob:{PASSWORD}@db/x")
    monkeypatch.setenv("AWS_PROFILE", "mirror")
    helper = program(f"env > environment\n{_says('bob', 'pw')}")

    ask_helper(Helper(str(helper), "ghcr.io"))

    seen = (helper.parent / "environment").read_text()
    assert "AWS_PROFILE=mirror" in seen
    assert PASSWORD not in seen


def test_no_shell_reads_what_it_is_called(program: Program, tmp_path: Path) -> None:
    helper = program(_says("bob", "pw"))
    odd = helper.rename(tmp_path / "a; touch owned")

    assert ask_helper(Helper(str(odd), "$(touch owned)")) == ("bob", "pw")
    assert not (tmp_path / "owned").exists()
