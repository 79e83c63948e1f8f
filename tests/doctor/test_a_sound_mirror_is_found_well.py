from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from tests.doctor.conftest import Examine
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE, environment
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream


def test_a_running_mirror(examine: Examine, upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.manifest_headers = {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "42;w=21600",
    }
    upstream.add_image("acme/image", "v1")
    with Mirror(tmp_path / "root", upstream.url) as mirror:
        httpx.get(
            f"{mirror.url}/v2/acme/image/manifests/v1", trust_env=False, verify=NO_AUTHORITY
        ).raise_for_status()
        upstream.reset()

        report = examine(REGISTRY_HTTP_ADDR=mirror.address)

    assert report.code == 0, report.everything
    assert not {level for level, _ in report.worst()} - {"warning"}, report.everything
    name = f"upstream {upstream.host}:{upstream.port}"
    pull = [("ok", f"a manifest of {upstream.host}:{upstream.port}/acme/image comes as it should")]
    assert report.of("a client's pull") == pull
    assert report.of(f"port {mirror.address.partition(':')[2]}") == [("ok", "the mirror is ready")]
    assert report.of("clock") == [("ok", f"it goes with {name}'s")]
    assert ("ok", "42 of 100 counted pulls are left") in report.of(name)
    assert any("without TLS, and answers in" in found for _, found in report.of(name))
    assert ("ok", "its tables are this program's") in report.of("database")
    assert any("locks hold" in found for _, found in report.of("store"))
    assert [seen.target for seen in upstream.record.matching(None, "")] == ["/v2/"]
    assert list((tmp_path / "root").glob(".doctor-*")) == []


def test_before_the_first_start_nothing_is_made(examine: Examine, tmp_path: Path) -> None:
    report = examine()

    assert report.code == 0
    assert {topic for _, topic in report.worst()} == {
        next(name for _, name, *_ in report.lines if name.startswith("port "))
    }
    assert ("ok", f"{tmp_path / 'root'} is not there yet: the first start makes it") in report.of(
        "store"
    )
    assert not (tmp_path / "root").exists()


def test_people_get_lines_and_a_count(tmp_path: Path) -> None:
    ended = subprocess.run(
        (sys.executable, "manage.py", "doctor"),
        cwd=PROJECT,
        env=environment(
            MIRROR_CONFIG="/dev/null",
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(tmp_path / "root"),
            REGISTRY_PROXY_REMOTEURL="http://127.0.0.1:1",
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    *lines, last = ended.stdout.splitlines()
    assert ended.returncode == 1
    assert all(line.split()[0] in {"ok", "warning", "error"} for line in lines)
    assert "no connection to port 1 of 127.0.0.1 (127.0.0.1): Connection refused; to do: " in (
        ended.stdout
    )
    assert last.endswith("1 errors")
