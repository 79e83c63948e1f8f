"""A user name and a password: written out, in files, or asked of a program, but not several."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cache.config import Exec
from tests.config.conftest import Read, Refuse

KEY = '{\n  "type": "service_account",\n  "private_key": "x\\n"\n}\n'


@pytest.fixture
def helper(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the PATH."""
    program = here / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


@pytest.mark.parametrize(
    ("content", "password"),
    [("p\n", "p"), ("p", "p"), ("p\r\n", "p"), ("p\n\n", "p\n"), (" p ", " p "), (KEY, KEY[:-1])],
)
def test_a_password_may_stand_in_a_file(
    read: Read, here: Path, content: str, password: str
) -> None:
    (here / "secret").write_bytes(content.encode())

    proxy = read("proxy: {username: _json_key, password_file: secret}").proxy

    assert (proxy.username, proxy.password) == ("_json_key", password)


def test_so_may_the_user_name(read: Read, here: Path) -> None:
    (here / "name").write_text("me\n")
    (here / "secret").write_text("p\n")

    config = read("upstreams: {a.b: {username_file: name, password_file: secret}}")

    assert (config.others[0].username, config.others[0].password) == ("me", "p")


def test_an_identity_token_has_a_user_of_its_own(read: Read) -> None:
    assert read("proxy: {username: <token>, password: p}").proxy.username == "<token>"


@pytest.mark.parametrize("key", ["username", "password"])
@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"\xff", b"x" * 16385])
def test_a_file_that_holds_no_such_thing(
    refuse: Refuse, here: Path, key: str, content: bytes
) -> None:
    (here / "file").write_bytes(content)
    other = {"username": "password", "password": "username"}[key]

    (problem,) = refuse(f"proxy: {{{key}_file: file, {other}: x}}")

    assert problem.startswith(f"config.yml: proxy.{key}_file: found a value that is not shown; ")


@pytest.mark.parametrize("content", ["a:b", "a\nb"])
def test_a_file_that_holds_no_user_name(refuse: Refuse, here: Path, content: str) -> None:
    (here / "file").write_text(content)

    (problem,) = refuse("proxy: {username_file: file, password: x}")

    assert problem.endswith("; allowed a file with a user name: one line without a colon")


def test_a_file_that_is_not_there(refuse: Refuse) -> None:
    (problem,) = refuse("proxy: {username: me, password_file: nowhere}")

    assert problem.endswith("; allowed the path of a readable file (No such file or directory)")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("username: me", "proxy.password: found nothing; allowed a password, as proxy.username is"),
        ("username_file: f", "proxy.password: found nothing; allowed a password, as proxy.usern"),
        ("password: p", "proxy.username: found nothing; allowed a username, as proxy.password is"),
        ("password_file: f", "proxy.username: found nothing; allowed a username, as proxy.passwo"),
        (
            "username: me, password: p, password_file: f",
            "proxy.password_file: found a file besides proxy.password; allowed one of them",
        ),
        (
            "username: me, username_file: f, password: p",
            "proxy.username_file: found a file besides proxy.username; allowed one of them",
        ),
        (
            "exec: {command: docker-credential-test}, username: me, password: p",
            "proxy.exec: found a program besides proxy.username; allowed one way",
        ),
        (
            "exec: {command: docker-credential-test}, username_file: f, password_file: f",
            "proxy.exec: found a program besides proxy.username_file; allowed one way",
        ),
        ("exec: {lifetime: 1h}", "proxy.exec.command: found nothing; allowed a program, as a "),
        ("exec: {command: none}", "proxy.exec.command: found 'none'; allowed the name or the "),
        ("exec: {command: /bin/none}", "proxy.exec.command: found '/bin/none'; allowed the name "),
        ("exec: {command: bin/docker-credential-test}", "proxy.exec.command: found 'bin/docker-"),
        ("exec: {command: docker-credential-test, lifetime: 1}", "proxy.exec.lifetime: found '1'"),
        ("exec: docker-credential-test", "proxy.exec: found a single value; allowed a mapping of "),
    ],
)
@pytest.mark.usefixtures("helper")
def test_half_or_twice_is_a_mistake(refuse: Refuse, here: Path, options: str, problem: str) -> None:
    (here / "f").write_text("x")

    (found,) = refuse(f"proxy: {{{options}}}")

    assert found.startswith(f"config.yml: {problem}")


def test_a_program_is_found_in_the_path(read: Read, helper: Path) -> None:
    config = read("proxy: {exec: {command: docker-credential-test}}")

    assert config.proxy.exec == Exec(str(helper), None)
    assert config.warnings == ()


@pytest.mark.parametrize(("written", "meant"), [("0", timedelta(0)), ("1h", timedelta(hours=1))])
def test_its_answer_has_a_lifetime(
    read: Read, helper: Path, written: str, meant: timedelta
) -> None:
    config = read(f"upstreams: {{a.b: {{exec: {{command: '{helper}', lifetime: {written}}}}}}}")

    assert config.others[0].exec == Exec(str(helper), meant)


def test_a_program_that_may_not_be_run_is_refused(refuse: Refuse, helper: Path) -> None:
    helper.chmod(0o644)

    (problem,) = refuse("proxy: {exec: {command: docker-credential-test}}")

    assert problem.endswith("; in PATH there is none such")


def test_variables_name_the_program_too(read: Read, helper: Path) -> None:
    environ = {
        "REGISTRY_PROXY_EXEC_COMMAND": "docker-credential-test",
        "REGISTRY_PROXY_EXEC_LIFETIME": "5m",
    }

    assert read("", environ).proxy.exec == Exec(str(helper), timedelta(minutes=5))
