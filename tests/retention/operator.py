"""An operator's side of a mirror: its commands as processes of their own, and a way to make old."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE, environment, eventually
from tests.e2e.terminal import open_terminal, read_terminal
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY


def call(root: Path, *words: str, **extra: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    done = subprocess.run(
        (sys.executable, "manage.py", *words),
        cwd=PROJECT,
        env=_environment(root, **extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


def call_and_read_one_line(root: Path, *words: str, **extra: str) -> tuple[int, str, str]:
    """Exit code, the first line and standard error of a command of which no more is read."""
    with subprocess.Popen(
        (sys.executable, "manage.py", *words),
        cwd=PROJECT,
        env=_environment(root, **extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pipesize=4096,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        return process.wait(PATIENCE), first, process.stderr.read()


def call_on_terminal(root: Path, *words: str, says: str = "") -> tuple[int, str]:
    """Exit code, and all that a terminal of 120 columns shows; `says` is typed in."""
    ours, theirs = open_terminal(120)
    try:
        with subprocess.Popen(
            (sys.executable, "manage.py", *words),
            cwd=PROJECT,
            env=_environment(root),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            os.write(ours, says.encode())
            shown = read_terminal(ours, process)
            code = process.wait(PATIENCE)
    finally:
        os.close(ours)
    return code, shown


def _environment(root: Path, **extra: str) -> dict[str, str]:
    return environment(
        MIRROR_CONFIG="/dev/null",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
        REGISTRY_RETENTION_MIN_FREE="0",
        **extra,
    )


def pull(mirror: Mirror, name: str, reference: str, image: Image) -> None:
    """A client's pull, whole and right; it returns when all is recorded."""
    with httpx.Client(
        base_url=f"{mirror.url}/v2/{name}", timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        manifest = client.get(f"/manifests/{reference}")
        assert (manifest.status_code, Digest.of(manifest.content)) == (200, image.digest)
        for data in (image.config, *image.layers):
            path = f"/blobs/{Digest.of(data)}"
            assert client.get(path).content == data
            eventually(partial(is_recorded, mirror.root, Digest.of(data)), "it is recorded")


def make_older(root: Path, name: str, age: timedelta) -> None:
    """Have everything of a repository have been pulled so much earlier."""
    links = database.rows(
        root,
        "SELECT l.id, l.manifest_id, l.pulled_at FROM cache_manifestlink l "
        "JOIN cache_repository r ON r.id = l.repository_id WHERE r.name = ?",
        name,
    )
    for link, manifest, at in links:
        then = _text(_time(at) - age)
        database.change(
            root, "UPDATE cache_manifestlink SET pulled_at = ? WHERE id = ?", then, link
        )
        database.change(
            root,
            "UPDATE cache_blob SET pulled_at = ? WHERE digest IN "
            "(SELECT digest FROM cache_manifestreference WHERE manifest_id = ?)",
            then,
            manifest,
        )


def recorded(root: Path) -> dict[str, int]:
    """The blobs in the database, with their sizes."""
    return dict(database.rows(root, "SELECT digest, size FROM cache_blob"))


def is_recorded(root: Path, digest: Digest) -> bool:
    """Whether the database says that the blob is here."""
    return str(digest) in recorded(root)


def held(root: Path) -> dict[str, int]:
    """The blobs in the store, with their sizes."""
    return {
        f"{path.parent.parent.name}:{path.name}": path.stat().st_size
        for path in root.glob("blobs/*/*/*")
    }


def removals(root: Path) -> list[tuple[str, str, str, int]]:
    """Who removed what, why, and how many bytes."""
    return database.rows(root, "SELECT by, repository, reason, size FROM cache_removal")


def _time(found: str | datetime) -> datetime:
    """SQLite has times as texts, all of them UTC."""
    if isinstance(found, datetime):
        return found
    return datetime.fromisoformat(found).replace(tzinfo=UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
