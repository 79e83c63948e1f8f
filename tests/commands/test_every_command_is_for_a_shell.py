"""Whatever goes wrong around a command: a sentence and an exit code, and never a traceback."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from cache import which_database
from tests.commands.shell import (
    CALLS,
    Ended,
    commands,
    environ_of,
    run,
    run_closed,
    run_unread,
    start,
)
from tests.e2e.processes import PATIENCE, eventually

EVERY = pytest.mark.parametrize("name", commands())

#: Ends before there is a database, or has one that is away: the second run would say the same.
WITHOUT_DATABASE = pytest.mark.one_database

#: With any database, it writes to the same streams by the same lines.
ABOUT_ITS_OUTPUT = pytest.mark.one_database

#: Needs neither store nor database.
FREE = {"client_config"}
#: Finds out what is wrong, and says so in its own lines and with its own code.
EXAMINES = {"doctor"}
#: Its output is a server's, or a file's.
WITHOUT_JSON = {"serve"}
#: Looks at what it was given, before it looks at the mirror.
LOOKS_FIRST = {"import_registry"}
#: Becomes another program, if all is well.
SERVES = {"serve"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror that has been started before."""
    root = tmp_path_factory.mktemp("prepared") / "root"
    ended = run(("warm", "thing", "--dry-run"), environ_of(root))
    assert (root / "blobs").is_dir(), str(ended)
    return root


@functools.cache
def usual(name: str, root: Path) -> Ended:
    """How the call ends when nothing is wrong."""
    return run((name, *CALLS[name]), environ_of(root))


def is_a_sentence(ended: Ended) -> bool:
    return bool(ended.err.strip()) and "Traceback" not in ended.err


def test_each_command_is_tried_here() -> None:
    assert commands() == sorted(CALLS), "give the new one a call in tests/commands/shell.py"


@WITHOUT_DATABASE
@EVERY
def test_it_explains_itself(name: str) -> None:
    ended = run((name, "--help"), environ_of(Path("/nonexistent")))

    assert ended.code == 0
    _, _, examples = ended.out.partition("\nexamples:\n")
    assert f"  manage.py {name}" in examples, str(ended)
    assert "\nexit codes:\n  0   " in examples
    assert name in WITHOUT_JSON or "--json" in ended.out or "{" in ended.out.partition("\n\n")[0]


@WITHOUT_DATABASE
@pytest.mark.parametrize(
    ("name", "verb"),
    [
        *(("user", verb) for verb in ("create", "activate", "deactivate", "list")),
        *(("grant", verb) for verb in ("create", "list", "remove")),
        *(("token", verb) for verb in ("create", "list", "revoke")),
        *(("visibility", verb) for verb in ("set", "unset", "list")),
    ],
)
def test_a_verb_explains_itself(name: str, verb: str) -> None:
    ended = run((name, verb, "--help"), environ_of(Path("/nonexistent")))

    assert ended.code == 0
    assert f"\nexamples:\n  manage.py {name} {verb}" in ended.out, str(ended)
    assert "exit codes:" in ended.out
    assert "--json" in ended.out


@WITHOUT_DATABASE
@EVERY
def test_a_wrong_option_is_a_mistake(name: str, prepared: Path) -> None:
    ended = run((name, "--nonsense"), environ_of(prepared))

    assert ended.code == 2
    assert is_a_sentence(ended)


@WITHOUT_DATABASE
@EVERY
def test_a_configuration_that_is_not_there(name: str, tmp_path: Path) -> None:
    refuses(name, tmp_path, tmp_path / "config.yml")


@WITHOUT_DATABASE
@pytest.mark.parametrize("content", [None, "a: [", "nonsense: 1"])
def test_a_configuration_that_cannot_be_used(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content)

    refuses("status", tmp_path, file)


def refuses(name: str, folder: Path, file: Path) -> None:
    ended = run((name, *CALLS[name]), environ_of(folder / "root", MIRROR_CONFIG=str(file)))

    assert ended.code == 2
    assert is_a_sentence(ended)
    assert str(file) in ended.err
    assert not (folder / "root").exists()


@EVERY
def test_a_root_that_is_none(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")

    ended = run((name, *CALLS[name]), environ_of(file))

    assert "Traceback" not in ended.err, str(ended)
    if name not in FREE:
        assert ended.code in {1, 2}
        assert str(file) in ended.err + ended.out or name in LOOKS_FIRST, str(ended)


@EVERY
def test_a_mirror_that_was_never_started(name: str, tmp_path: Path) -> None:
    if name in SERVES:
        return  # it is what starts it
    root = tmp_path / "never"

    ended = run((name, *CALLS[name]), environ_of(root))

    assert "Traceback" not in ended.err, str(ended)
    if name not in FREE | EXAMINES | {"warm"}:
        assert ended.code in {1, 2}
        assert is_a_sentence(ended)


@WITHOUT_DATABASE
@EVERY
def test_a_database_that_is_away(name: str, prepared: Path, tmp_path: Path) -> None:
    url = "postgresql://mirror:secret-word@127.0.0.1:1/mirror"
    root = tmp_path / "root"
    shutil.copytree(prepared, root)
    which_database.leave(root, which_database.by_address(url))

    ended = run((name, *CALLS[name]), environ_of(root, DATABASE_URL=url))

    assert "Traceback" not in ended.err, str(ended)
    assert "secret-word" not in ended.out + ended.err
    if name in {"client_config", "rotate_keys"}:
        assert ended.code == 0, "it needs no database"
    elif name == "status":
        assert ended.code == 1, "no mirror runs: that is known without one"
    else:
        assert ended.code == (1 if name in EXAMINES | SERVES else 2), str(ended)
        assert ended.err.strip() or name in EXAMINES


@ABOUT_ITS_OUTPUT
@EVERY
def test_an_output_that_nobody_reads(name: str, prepared: Path) -> None:
    if name in SERVES:
        return  # a server goes on without
    ordinary = usual(name, prepared)

    ended = run_unread((name, *CALLS[name]), environ_of(prepared))

    assert "Traceback" not in ended.err, str(ended)
    assert "Errno" not in ended.err, str(ended)
    assert ended.code == (141 if ordinary.out else ordinary.code), str(ended)


@ABOUT_ITS_OUTPUT
@EVERY
def test_an_output_that_is_closed(name: str, prepared: Path) -> None:
    """What would be written there is not, and lands in no other file."""
    if name in SERVES:
        return
    ordinary = usual(name, prepared)

    ended = run_closed((name, *CALLS[name]), environ_of(prepared))

    assert "Traceback" not in ended.err, str(ended)
    assert ended.code == ordinary.code, str(ended)


@ABOUT_ITS_OUTPUT
@EVERY
def test_an_output_whose_disk_is_full(name: str, prepared: Path) -> None:
    if name in SERVES:
        return
    ordinary = usual(name, prepared)

    with Path("/dev/full").open("w") as full:
        ended = run((name, *CALLS[name]), environ_of(prepared), stdout=full)

    assert "Traceback" not in ended.err, str(ended)
    if ordinary.out:
        assert ended.code == 2
        assert "the output cannot be written: No space left on device" in ended.err


@WITHOUT_DATABASE
@EVERY
def test_ctrl_c_while_it_begins(name: str, tmp_path: Path) -> None:
    """The configuration is a pipe, so that the moment is known: it waits for what comes there."""
    pipe = tmp_path / "config.yml"
    os.mkfifo(pipe)
    with start(
        (name, *CALLS[name]), environ_of(tmp_path / "r", MIRROR_CONFIG=str(pipe))
    ) as process:
        writing: list[int] = []

        def is_waiting() -> bool:
            with suppress(OSError):  # ENXIO: nobody has opened it for reading
                writing.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            return bool(writing)

        eventually(is_waiting, "it read its configuration")
        process.send_signal(signal.SIGINT)
        # The signal may come just before the reading, which then waits all the same.
        os.close(writing[0])
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("client_config", "docker", "--registry", "nowhere.example"), 2),
        (("du", "--by", "nonsense"), 2),
        (("grant", "create", "--user", "nobody", "acme/app"), 1),
        (("grant", "create", "--user", "nobody", "Acme//"), 2),
        (("grant", "remove", "77"), 1),
        (("grant", "remove", "9" * 30), 1),
        (("import_registry", "/nonexistent"), 2),
        (("pin", "no:such:thing"), 2),
        (("purge", "library/nothing"), 1),
        (("purge", "BAD//"), 2),
        (("purge_expired", "--max-size", "much"), 2),
        (("status", "--every", "never"), 2),
        (("token", "create", "nobody", "name"), 1),
        (("token", "revoke", "nobody", "name"), 1),
        (("unpin", "library/nothing"), 1),
        (("user", "activate", "nobody"), 1),
        (("user", "activate", "\udcff"), 1),
        (("verify_store", "--rate", "0"), 2),
        (("visibility", "unset", "acme/app"), 1),
        (("visibility", "set", "public", "acme/app", "--upstream", "nowhere.example"), 2),
        (("warm",), 2),
        (("warm", "--from", "/nonexistent"), 2),
        (("warm", "BAD//NAME"), 1),
        (("nonsense",), 1),
    ],
)
def test_a_name_that_is_unknown(command: tuple[str, ...], code: int, prepared: Path) -> None:
    """1: what was named is not there; 2: what was written can mean nothing."""
    ended = run(command, environ_of(prepared))

    assert ended.code == code, str(ended)
    assert is_a_sentence(ended)


@pytest.mark.parametrize(
    "command",
    [
        ("client_config", "docker", "--json"),
        ("doctor", "--json"),
        ("du", "--json"),
        ("pin", "library/kept", "--json"),
        ("pin", "--json"),
        ("unpin", "library/kept", "--json"),
        ("purge_expired", "--json"),
        ("rotate_keys", "--json"),
        ("user", "create", "--no-password", "anna", "--json"),
        ("grant", "create", "--user", "anna", "acme/**", "--json"),
        ("grant", "list", "--json"),
        ("token", "create", "anna", "laptop", "--json"),
        ("token", "list", "--json"),
        ("visibility", "set", "public", "acme/open", "--json"),
        ("visibility", "list", "--json"),
        ("user", "list", "--json"),
        ("verify_store", "--json"),
    ],
)
def test_json_is_all_that_is_printed(command: tuple[str, ...], prepared: Path) -> None:
    """In this order, on one mirror: what one makes, the next ones list."""
    ended = run(command, environ_of(prepared))

    assert ended.code == 0 or command[0] == "doctor", str(ended)
    lines = ended.out.splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_password_that_nobody_is_there_to_type(prepared: Path) -> None:
    ended = run(("user", "create", "alice"), environ_of(prepared), start_new_session=True)

    assert (ended.code, ended.out) == (2, ""), str(ended)
    assert ended.err.startswith("CommandError: there is no terminal to ask for the password: ")
    assert "--password-stdin" in ended.err
    assert ended.err.count("\n") == 1
