"""The unit, its user and its folders, by systemd's own tools; and the mirror under its filter.

No systemd runs where these tests do: the unit as a whole is verified, not started.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.processes import environment, eventually, run, scratch
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e

FILES = PROJECT / "deploy" / "systemd"
UNIT = FILES / "mirrorsite.service"
PLACE = "/opt/mirrorsite"

#: What `systemd-analyze security` may find at most, in tenths: below 2 it says "OK".
EXPOSURE = 15


def settings(key: str) -> list[str]:
    """The unit's values for a key, in their order."""
    lines = (line.partition("=") for line in UNIT.read_text().splitlines())
    return [value for name, _, value in lines if name == key]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as if the mirror were installed in a folder of the test's."""
    require("systemd-analyze")
    place = tmp_path / "opt"
    python = place / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PLACE, str(place)))
    return unit


def test_the_unit_is_one_that_systemd_understands(installed: Path) -> None:
    said = subprocess.run(
        ("systemd-analyze", "verify", str(installed)),
        env=environment(),
        capture_output=True,
        text=True,
    )

    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_a_mistake_in_the_unit_would_be_found(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectSystem=", "ProtectSytem="))

    said = subprocess.run(
        ("systemd-analyze", "verify", str(installed)), env=environment(), capture_output=True
    )

    assert b"ProtectSytem" in said.stderr


def test_little_is_exposed(installed: Path) -> None:
    run(
        *("systemd-analyze", "security", "--offline=true", "--no-pager"),
        *(f"--threshold={EXPOSURE}", str(installed)),
    )


def test_user_and_folders_are_made_as_the_unit_wants_them(tmp_path: Path) -> None:
    require("systemd-sysusers", "systemd-tmpfiles")
    require_root()
    (tmp_path / "etc").mkdir()
    shutil.copytree(PROJECT / "deploy", tmp_path / "opt/mirrorsite/deploy")
    for kind in ("sysusers", "tmpfiles"):
        place = tmp_path / f"usr/lib/{kind}.d"
        place.mkdir(parents=True)
        shutil.copy(FILES / f"mirrorsite.{kind}", place / "mirrorsite.conf")

    run("systemd-sysusers", f"--root={tmp_path}")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create")

    [user] = (tmp_path / "etc/passwd").read_text().splitlines()
    name, _, number, _, _, _, shell = user.split(":")
    assert [name] == settings("User") == settings("Group")
    assert shell.endswith("nologin")
    state = tmp_path / "var/lib" / settings("StateDirectory")[0]
    assert settings("WorkingDirectory") == ["/var/lib/mirrorsite"]
    assert (state.stat().st_uid, state.stat().st_mode & 0o777) == (int(number), 0o700)
    config = tmp_path / "etc/mirrorsite/config.yml"
    assert (config.stat().st_uid, config.stat().st_mode & 0o777) == (0, 0o640)
    assert config.read_text() == (PROJECT / "deploy/config.yml").read_text()
    config.write_text("version: 0.1\n# the operator's own\n")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create")
    assert "the operator's own" in config.read_text()


def test_the_unit_starts_what_is_there() -> None:
    [command] = settings("ExecStart")
    python, manage, verb = command.split()

    assert python == f"{PLACE}/.venv/bin/python"
    assert (PROJECT / Path(manage).relative_to(PLACE)).is_file()
    assert verb == "serve"


def test_the_mirror_says_when_it_is_ready(tmp_path: Path) -> None:
    assert settings("Type") == ["notify"]
    with (
        FakeUpstream() as upstream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        with Mirror(tmp_path / "root", upstream.url, NOTIFY_SOCKET=str(tmp_path / "notify")) as it:
            said = manager.recv(4096)
            assert b"READY=1" in said.splitlines()
            # systemd takes this from the main process alone (NotifyAccess=main).
            assert it.runs


def test_a_reload_has_the_configuration_read_again(tmp_path: Path) -> None:
    [command] = settings("ExecReload")
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        (tmp_path / "config.yml").write_text("log: {level: loud}\n")

        run(*command.replace("$MAINPID", str(mirror.pid)).split())

        eventually(lambda: "the old one stays in force" in mirror.log, "it was read")
        assert httpx.get(f"{mirror.url}/healthz", trust_env=False, verify=NO_AUTHORITY).is_success


@cache
def _calls_of(name: str) -> frozenset[str]:
    """The system calls of one of systemd's sets, with those of the sets in it."""
    if not name.startswith("@"):
        return frozenset({name})
    listed = run("systemd-analyze", "syscall-filter", "--no-pager", name).splitlines()[1:]
    members = [line.strip() for line in listed if line.strip() and "#" not in line]
    return frozenset().union(*(_calls_of(member) for member in members))


def _allowed() -> frozenset[str]:
    allowed: frozenset[str] = frozenset()
    for value in settings("SystemCallFilter"):
        calls = frozenset[str]().union(*(_calls_of(each) for each in value.lstrip("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


#: Debian's, as the unit's own environment is made of; the tests' may be in a home.
PYTHON = "/usr/bin/python3"
NOBODY = 65534


def _packages() -> str:
    """The project's packages, for Debian's Python, which has to be of the same version."""
    version = "import sys; print(*sys.version_info[:2])"
    assert run(PYTHON, "-c", version).split() == [str(part) for part in sys.version_info[:2]]
    return sysconfig.get_path("purelib")


def test_the_mirror_serves_under_what_the_unit_forbids() -> None:
    require("systemd-analyze")
    require_root()
    for key, value in {
        "MemoryDenyWriteExecute": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert settings(key) == [value]
    calls = _allowed()
    assert "mount" not in calls
    with scratch("unit") as home, FakeUpstream() as upstream:
        home.chmod(0o711)
        root, temporary, listed = home / "root", home / "tmp", home / "calls"
        listed.write_text("\n".join(sorted(calls)))
        for folder in (root, temporary):
            folder.mkdir()
        shutil.chown(root, NOBODY, NOBODY)

        class Confined(Mirror):
            before = (
                *(sys.executable, str(Path(__file__).with_name("confined.py"))),
                *(str(listed), str(root), str(temporary), str(NOBODY), PYTHON),
            )

        with Confined(
            root,
            upstream.url,
            PYTHONPATH=_packages(),
            PYTHONDONTWRITEBYTECODE="1",
            TMPDIR=str(temporary),
        ) as mirror:
            image = upstream.add_image("acme/image", "v1", [os.urandom(1_000_000)])
            with httpx.Client(
                base_url=mirror.url, trust_env=False, verify=NO_AUTHORITY, timeout=30
            ) as client:
                manifest = client.get("/v2/acme/image/manifests/v1", headers={"Accept": "*/*"})
                blobs = [client.get(f"/v2/acme/image/blobs/{each}") for each in image.layer_digests]
                ready = client.get("/readyz").json()
            workers = mirror.workers()
            status = Path(f"/proc/{workers[0]}/status").read_text()

    assert manifest.content == image.manifest
    assert [blob.content for blob in blobs] == list(image.layers)
    assert ready["status"] == "ok", "the store and the database take what is written"
    assert "Seccomp:\t2" in status, "the workers are under it"
    assert "NoNewPrivs:\t1" in status
    assert f"Uid:\t{NOBODY}\t{NOBODY}" in status
    assert "CapBnd:\t0000000000000000" in status
    for failure in ("Operation not permitted", "Read-only file system", "Permission denied"):
        assert failure not in mirror.log
