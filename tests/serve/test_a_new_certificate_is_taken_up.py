"""Certificates run out: new files are served from within seconds, by all workers, to all who come.

What replaces them does so in two steps, or exchanges a link, or makes a mistake.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cache.config import Tls
from mirrorsite import tls as listener_tls
from mirrorsite.tls import PATIENCE, STEP, Certificates
from tests.e2e.kernel import children, connection_owner
from tests.e2e.mirror import WORKERS
from tests.e2e.parts import require
from tests.fakes.certificates import Authority, certificate_name
from tests.fakes.upstream import FakeUpstream
from tests.serve.conftest import Mirror, Start, until

ADDRESS = "127.0.0.1"
NAME = "acme/image"
SIZE = 48 * 1024 * 1024


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    require("openssl")
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority.make(folder)


def put(authority: Authority, name: str, place: Path) -> None:
    """Exchange both files as certbot does: one after the other, each at once."""
    for signed, to in zip(authority.sign(name, ADDRESS), ("mirror.pem", "mirror.key"), strict=True):
        put_file(signed, place / to)


def put_file(source: Path, target: Path) -> None:
    beside = target.with_suffix(".new")
    shutil.copy(source, beside)
    beside.rename(target)


@contextmanager
def connected(
    mirror: Mirror, authority: Authority, pair: tuple[Path, Path] | None = None
) -> Iterator[ssl.SSLSocket]:
    """A new connection, of a client that may have a certificate, too."""
    trust = ssl.create_default_context(cafile=authority.ca)
    if pair is not None:
        trust.load_cert_chain(*pair)
    with (
        socket.create_connection((ADDRESS, mirror.port), 30) as plain,
        trust.wrap_socket(plain, server_hostname=ADDRESS) as client,
    ):
        yield client


def shown(mirror: Mirror, authority: Authority) -> str | None:
    """The name in the certificate that a new connection is shown."""
    with connected(mirror, authority) as client:
        return certificate_name(client)


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def mirror(start: Start, authority: Authority, tmp_path: Path, upstream: FakeUpstream) -> Mirror:
    put(authority, "first", tmp_path)
    mirror = start(
        REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}",
        REGISTRY_PROXY_REMOTEURL=upstream.url,
    )
    until(mirror.listens, mirror)
    # It listens before it has started any of them.
    until(lambda: len(children(mirror.process.pid)) == WORKERS, mirror)
    return mirror


def test_every_worker_shows_the_new_one(
    mirror: Mirror, authority: Authority, tmp_path: Path
) -> None:
    assert shown(mirror, authority) == "first"
    workers = children(mirror.process.pid)

    put(authority, "second", tmp_path)

    new: set[int] = set()

    def all_show_it() -> bool:
        with connected(mirror, authority) as client:
            owner = connection_owner(client.getsockname()[1], workers)
            if owner is not None and certificate_name(client) == "second":
                new.add(owner)
        return new == set(workers)

    until(all_show_it, mirror)
    assert children(mirror.process.pid) == workers, "nobody had to be started anew"
    until(lambda: "a new certificate is used" in mirror.errors, mirror)
    assert mirror.errors.count("a new certificate is used") == 1, "and not by each worker"


def test_a_transfer_that_runs_goes_on(
    mirror: Mirror, authority: Authority, tmp_path: Path, upstream: FakeUpstream
) -> None:
    data = os.urandom(1024 * 1024) * (SIZE // (1024 * 1024))
    digest = upstream.add_blob(NAME, data)
    with connected(mirror, authority) as client:
        client.sendall(request(f"/v2/{NAME}/blobs/{digest}"))
        answer = bytearray(client.recv(1000))
        put(authority, "second", tmp_path)
        until(lambda: shown(mirror, authority) == "second", mirror)
        while piece := client.recv(1024 * 1024):
            answer += piece

    assert bytes(answer).endswith(b"\r\n\r\n" + data)


def test_a_link_to_a_folder_is_exchanged_as_kubernetes_does(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        put(authority, name, tmp_path / name)
    (tmp_path / "data").symlink_to("first")
    for name in ("mirror.pem", "mirror.key"):
        (tmp_path / name).symlink_to(f"data/{name}")
    mirror = start(REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}")
    until(mirror.listens, mirror)
    assert shown(mirror, authority) == "first"

    (tmp_path / "data.new").symlink_to("second")
    (tmp_path / "data.new").rename(tmp_path / "data")

    until(lambda: shown(mirror, authority) == "second", mirror)


def test_a_worker_that_is_born_while_the_files_are_broken_has_the_last_good_one(
    mirror: Mirror, authority: Authority, tmp_path: Path
) -> None:
    workers = set(children(mirror.process.pid))
    (tmp_path / "mirror.pem").write_text("no certificate")
    for worker in workers:
        os.kill(worker, 9)

    def is_replaced() -> bool:
        now = set(children(mirror.process.pid))
        return len(now) == len(workers) and not now & workers

    until(is_replaced, mirror)
    assert shown(mirror, authority) == "first"


class Files:
    """The files of `Certificates`, what it logs, and a clock that the test moves."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority
        self.now = 1000.0
        put(authority, "first", folder)
        self.made = Certificates(Tls(folder / "mirror.pem", folder / "mirror.key"))
        self.looked_at = self.made.context

    def look(self, seconds: float = STEP) -> bool:
        """Whether a look after so long takes up something new."""
        self.now += seconds
        before = self.made.context
        self.made.look(self.now)
        return self.made.context is not before


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path, authority)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == listener_tls.__name__ and record.levelno >= logging.ERROR
    ]


def test_what_has_not_changed_is_not_read_again(files: Files) -> None:
    assert not files.look()
    (files.folder / "mirror.pem").touch()
    assert files.look()
    assert not files.look()


def test_it_is_not_looked_more_often_than_needed(files: Files) -> None:
    files.look()
    put(files.authority, "second", files.folder)

    assert not files.look(STEP / 10)
    assert files.look(STEP)


@pytest.mark.parametrize("first", ["mirror.pem", "mirror.key"])
def test_a_pair_in_the_midst_of_its_replacement_is_waited_for(
    files: Files, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = files.authority.sign("second", ADDRESS)
    new = {"mirror.pem": certificate, "mirror.key": key}

    put_file(new.pop(first), files.folder / first)
    assert not files.look()
    assert not files.look(PATIENCE - STEP)
    [(other, file)] = new.items()
    put_file(file, files.folder / other)

    assert files.look()
    assert errors(caplog) == [], "there was nothing to tell"


@pytest.mark.parametrize("damage", ["empty", "mismatch", "gone", "locked"])
def test_files_that_stay_broken_are_told_of_once(
    files: Files, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = files.made.context
    certificate, key = files.folder / "mirror.pem", files.folder / "mirror.key"
    if damage == "empty":
        certificate.write_text("")
    elif damage == "mismatch":
        put_file(files.authority.sign("second", ADDRESS)[0], certificate)
    elif damage == "gone":
        key.unlink()
    else:
        key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END\n")

    for _ in range(int(PATIENCE / STEP) * 3):
        assert not files.look()

    [told] = errors(caplog)
    assert "the certificate from before stays in use" in told
    assert str(certificate) in told
    assert files.made.context is before

    put(files.authority, "third", files.folder)
    assert files.look(), "and when they are whole again, they are taken up"
    certificate.write_text("broken again")
    for _ in range(int(PATIENCE / STEP) * 3):
        files.look()
    assert len(errors(caplog)) == 2


def test_one_of_the_processes_tells_of_it(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    # As two workers of one parent: what was made before the fork is theirs in common.
    (files.folder / "mirror.pem").write_text("")
    for _ in range(int(PATIENCE / STEP) * 2):
        files.look()
    assert len(errors(caplog)) == 1

    child = os.fork()
    if child == 0:
        caplog.clear()
        files.look(PATIENCE * 2)
        os._exit(len(errors(caplog)))
    assert os.waitpid(child, 0)[1] == 0


def test_at_an_operators_word_broken_files_are_told_of_at_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    (files.folder / "mirror.pem").write_text("")

    files.made.hurry()
    files.look(0.0)

    assert len(errors(caplog)) == 1


def test_authorities_are_taken_up_too(start: Start, authority: Authority, tmp_path: Path) -> None:
    put(authority, "first", tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority.make(tmp_path / "other")
    put_file(other.ca, tmp_path / "clients.pem")
    mirror = start(
        REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key, clientcas: [clients.pem]}"
    )
    until(mirror.listens, mirror)

    def is_let_in(who: Authority) -> bool:
        try:
            with connected(mirror, authority, who.sign("client")) as client:
                client.sendall(request("/healthz"))
                return client.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    assert is_let_in(other)
    assert not is_let_in(authority)

    put_file(authority.ca, tmp_path / "clients.pem")

    until(lambda: is_let_in(authority), mirror)
    # The last worker looks a second later at most.
    until(lambda: not is_let_in(other), mirror)
