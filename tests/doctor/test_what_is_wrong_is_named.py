"""Each thing that can be wrong with a mirror is made wrong for real, and found."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import database
from tests.doctor.conftest import Examine
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require_root
from tests.e2e.processes import free_port
from tests.fakes.authentication import TokenService
from tests.fakes.certificates import Authority
from tests.fakes.faults import Fault
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

PASSWORD = "a-secret-that-nobody-may-see"


@contextmanager
def _disk(folder: Path, size: str = "64m") -> Iterator[Path]:
    require_root()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        folder.chmod(0o700)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _name(upstream: FakeUpstream) -> str:
    return f"upstream {upstream.host}:{upstream.port}"


def test_credentials_that_are_refused(examine: Examine, upstream: FakeUpstream) -> None:
    upstream.require_basic({"corp": "another"})

    report = examine(REGISTRY_PROXY_USERNAME="corp", REGISTRY_PROXY_PASSWORD=PASSWORD)

    assert report.code == 1
    assert report.of(_name(upstream)) == [("error", "it refuses our credentials")]
    assert PASSWORD not in report.everything


def test_credentials_that_the_token_server_refuses(
    examine: Examine, upstream: FakeUpstream
) -> None:
    upstream.require_bearer(TokenService(users={"corp": "another"}))

    report = examine(REGISTRY_PROXY_USERNAME="corp", REGISTRY_PROXY_PASSWORD=PASSWORD)

    assert report.code == 1
    assert report.of(_name(upstream)) == [("error", "it refuses our credentials")]
    assert PASSWORD not in report.everything


def test_an_upstream_that_takes_nobody_unknown(examine: Examine, upstream: FakeUpstream) -> None:
    upstream.require_basic({"corp": "another"})

    found = examine().of(_name(upstream))

    assert found == [("error", "it takes nobody who is not signed in")]


def test_a_name_that_is_not_known(examine: Examine) -> None:
    report = examine(REGISTRY_PROXY_REMOTEURL="https://registry.invalid")

    assert report.code == 1
    assert report.of("upstream registry.invalid") == [
        ("error", "the name registry.invalid is not known")
    ]


def test_a_certificate_that_is_not_trusted(examine: Examine, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    with FakeUpstream(tls=authority.server("127.0.0.1")) as upstream:
        strict = examine(REGISTRY_PROXY_REMOTEURL=upstream.url)
        trusting = examine(
            REGISTRY_PROXY_REMOTEURL=upstream.url, REGISTRY_PROXY_CA=str(authority.ca)
        )

    assert strict.code == 1
    assert "its TLS certificate is not trusted" in strict.of(_name(upstream))[0][1]
    assert trusting.of(_name(upstream))[0][0] == "ok"


def test_each_of_several_upstreams_has_its_line(examine: Examine, upstream: FakeUpstream) -> None:
    others = "{ghcr.io: {remoteurl: 'http://127.0.0.1:1'}, quay.io: {offline: true}}"

    report = examine(REGISTRY_UPSTREAMS=others)

    assert report.of(_name(upstream))[0][0] == "ok"
    assert report.of("upstream ghcr.io")[0][0] == "error"
    assert report.of("upstream quay.io") == [("ok", "it is never asked (offline)")]


def test_a_spent_quota(examine: Examine, upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.add_image("acme/image", "v1")
    with Mirror(tmp_path / "root", upstream.url) as mirror:
        upstream.misbehave(
            Fault(status=429, headers={"Retry-After": "3600"}), path="/manifests/", times=9
        )
        httpx.get(f"{mirror.url}/v2/acme/image/manifests/v1", trust_env=False, verify=NO_AUTHORITY)

        report = examine(REGISTRY_HTTP_ADDR=mirror.address)

    assert report.code == 0
    [(level, found)] = report.of(_name(upstream))
    assert level == "warning"
    assert "takes no more requests from us for now" in found


def test_a_clock_that_is_wrong(examine: Examine, upstream: FakeUpstream) -> None:
    long_ago = {"Date": "Thu, 01 Jan 2015 00:00:00 GMT"}
    upstream.misbehave(Fault(headers=long_ago), path="/v2/", times=9)

    report = examine()

    assert report.of("clock")[0][0] == "warning"
    assert f"ahead of {_name(upstream)}'s" in report.of("clock")[0][1]


@pytest.mark.one_database
def test_another_users_store(examine: Examine, tmp_path: Path) -> None:
    require_root()
    root = tmp_path / "root"
    (root / "blobs").mkdir(parents=True)
    (root / "mirror.sqlite3").touch()
    for path in (root, root / "mirror.sqlite3"):
        os.chown(path, 65534, 65534)

    report = examine()

    assert report.code == 1
    assert report.of("store") == [("error", f"{root} belongs to nobody and this is root")]
    assert report.of("database") == [("error", f"{root / 'mirror.sqlite3'} is another user's")]
    assert sorted(path.name for path in root.iterdir()) == ["blobs", "mirror.sqlite3"]


def test_a_store_that_others_can_enter(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o755)

    assert ("warning", "store") in examine().worst()


def test_a_store_that_the_group_may_pass_through(examine: Examine, tmp_path: Path) -> None:
    # Blobs that are handed over to a proxy are below it.
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o710)

    assert not [line for line in examine().of("store") if "can be entered" in line[1]]


def test_a_full_disk(examine: Examine, tmp_path: Path) -> None:
    with _disk(tmp_path / "root", "8m") as root:
        with pytest.raises(OSError, match="No space left"):
            (root / "filler").write_bytes(bytes(16 * 1024**2))

        report = examine()

    assert report.code == 1
    assert ("error", "0.0 GiB of 0.0 GiB are free") in report.of("store")


def test_a_disk_that_is_nearly_full(examine: Examine, tmp_path: Path) -> None:
    with _disk(tmp_path / "root", "64m") as root:
        (root / "filler").write_bytes(bytes(60 * 1024**2))

        report = examine()

    assert report.code == 0, report.everything
    assert ("warning", "0.0 GiB of 0.1 GiB are free") in report.of("store")


def test_a_disk_with_less_free_than_is_to_stay_so(examine: Examine, tmp_path: Path) -> None:
    with _disk(tmp_path / "root", "64m") as root:
        (root / "somebodys").write_bytes(bytes(32 * 1024**2))

        report = examine(REGISTRY_RETENTION_MIN_FREE="60%")

    assert report.code == 0, report.everything
    found = "0.0 GiB of 0.1 GiB are free, and 0.0 GiB are to stay so (retention.min_free)"
    assert ("warning", found) in report.of("store")


def test_a_store_that_cannot_be_written(examine: Examine, tmp_path: Path) -> None:
    with _disk(tmp_path / "root") as root:
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)

        report = examine()

    assert report.code == 1
    assert any("Read-only file system" in found for _, found in report.of("store"))


def test_blobs_and_parts_on_two_disks(examine: Examine, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "blobs").mkdir(parents=True)
    with _disk(root / "parts"):
        report = examine()

    wrong = ("error", "the folders blobs and parts are on different file systems")
    assert wrong in report.of("store")


def test_a_database_of_a_newer_program(
    examine: Examine, upstream: FakeUpstream, tmp_path: Path
) -> None:
    with Mirror(tmp_path / "root", upstream.url):
        pass
    database.change(
        tmp_path / "root",
        "INSERT INTO django_migrations (app, name, applied) "
        "VALUES ('cache', '9999_later', '2030-01-01')",
    )

    report = examine()

    assert report.code == 1
    assert ("error", "a newer program has made cache.9999_later") in report.of("database")


@pytest.mark.one_database
def test_a_database_that_does_not_answer(examine: Examine) -> None:
    report = examine(DATABASE_URL=f"postgresql://corp:{PASSWORD}@127.0.0.1:1/mirror")

    assert report.code == 1
    assert [level for level, _ in report.of("database")] == ["error"]
    assert PASSWORD not in report.everything


@pytest.mark.one_database
def test_a_database_that_is_not_the_mirrors(
    examine: Examine, upstream: FakeUpstream, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with Mirror(root, upstream.url):
        pass
    used = {"engine": "PostgreSQL", "host": "db.example", "port": 5432, "name": "records"}
    (root / "database.json").write_text(json.dumps(used))

    report = examine()

    assert report.code == 1
    found = f"the mirror in {root} uses PostgreSQL records on db.example, and this was given "
    assert report.of("database") == [("error", f"{found}SQLite (no DATABASE_URL)")]


@pytest.mark.one_database
@pytest.mark.parametrize("is_there", [True, False])
def test_a_database_without_tables(
    examine: Examine, upstream: FakeUpstream, tmp_path: Path, is_there: bool
) -> None:
    """The mirror that answers there is another one; this root's has lost its database."""
    root = tmp_path / "root"
    (root / "blobs").mkdir(parents=True)
    if is_there:
        (root / "mirror.sqlite3").touch()
    with Mirror(tmp_path / "other", upstream.url) as mirror:
        report = examine(REGISTRY_HTTP_ADDR=mirror.address)

    assert report.code == 0, report.everything
    is_empty = ("ok", "it has no tables yet: the next start makes them")
    assert (is_empty in report.of("database")) == is_there
    unknown = "/v2/ answers; what is held is not known here, so nothing is pulled"
    assert report.of("a client's pull") == [("ok", unknown)]
    assert (root / "mirror.sqlite3").exists() == is_there


def test_a_port_that_another_program_has(examine: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        report = examine(REGISTRY_HTTP_ADDR=f"127.0.0.1:{port}")

    assert report.code == 1
    assert report.of(f"port {port}") == [("error", "what listens there is no mirror")]


def test_the_metrics_port_that_another_program_has(examine: Examine) -> None:
    with FakeUpstream() as other:
        port = other.port
        report = examine(
            REGISTRY_HTTP_DEBUG_ADDR=f"127.0.0.1:{port}",
            REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED="true",
        )

    assert report.code == 1
    found = f"port {port} is in use: another program listens on 127.0.0.1:{port}"
    assert report.of(f"port {port}") == [("error", found)]


@pytest.mark.parametrize("token", ["", "a-token-of-more-than-16"])
def test_the_metrics_port_that_the_mirror_has(
    examine: Examine, upstream: FakeUpstream, tmp_path: Path, token: str
) -> None:
    port = free_port()
    metrics = {
        "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED": "true",
        **({"REGISTRY_HTTP_DEBUG_PROMETHEUS_TOKEN": token} if token else {}),
    }
    free = examine(**metrics)
    with Mirror(tmp_path / "root", upstream.url, **metrics) as mirror:
        report = examine(REGISTRY_HTTP_ADDR=mirror.address, **metrics)

    free_words = "it is free for metrics: the next start listens there"
    assert free.of(f"port {port}") == [("ok", free_words)]
    assert report.of(f"port {port}") == [("ok", "metrics are read there")]


def test_few_open_files(examine: Examine) -> None:
    report = examine("prlimit", "--nofile=1024:1024", "--")

    assert [level for level, _ in report.of("open files")] == ["warning"]


def test_a_configuration_that_warns_and_one_that_cannot_be_used(
    examine: Examine, tmp_path: Path
) -> None:
    assert ("warning", "configuration") in examine(REGISTRY_REDIS_ADDR="x:1").worst()

    broken = examine(REGISTRY_PROXY_TTL="soon")
    assert broken.code == 2
    assert "REGISTRY_PROXY_TTL: proxy.ttl: found 'soon'" in broken.everything
