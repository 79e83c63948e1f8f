"""A store as large as a busy company's: rows that look pulled, and sparse files for the blobs."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from cache.oci.media_types import OCI_CONFIG, OCI_MANIFEST

UPSTREAM = "127.0.0.1:1"
"""Nobody is asked for anything."""
SIZE = 10_000_000
"""Bytes of a blob, none of which take room on the disk."""

REAL = 20
"""So many of the youngest blobs are real files of `REAL_SIZE` bytes, to be pulled."""

REAL_SIZE = 16_384

_OWN = 5
_SHARED = 2
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is. Each manifest needs five blobs of its own, and two of others."""

    manifests: int = 200_000
    repositories: int = 2_000

    @property
    def blobs(self) -> int:
        return self.manifests * _OWN

    def repository_of(self, manifest: int) -> int:
        return manifest % self.repositories

    def name(self, repository: int) -> str:
        return f"team{repository % 50}/app{repository}"


def blob_digest(number: int) -> str:
    """The digest of the blob of that number, of which the higher ones were pulled later."""
    return f"sha256:{hashlib.sha256(b'blob %d' % number).hexdigest()}"


def manifest_digest(number: int) -> str:
    """The same for manifests, whose bodies are none of that digest."""
    return f"sha256:{hashlib.sha256(b'manifest %d' % number).hexdigest()}"


def size_of(shape: Shape, number: int) -> int:
    return REAL_SIZE if number >= shape.blobs - REAL else SIZE


def total_size(shape: Shape) -> int:
    """Bytes of all blobs together."""
    return (shape.blobs - REAL) * SIZE + REAL * REAL_SIZE


def write_files(shape: Shape, root: Path) -> None:
    """All blobs, in the store below `root`."""
    top = root / "blobs" / "sha256"
    for prefix in range(256):
        (top / f"{prefix:02x}").mkdir(parents=True, mode=0o700, exist_ok=True)
    for number in range(shape.blobs):
        digits = blob_digest(number)[7:]
        fd = os.open(f"{top}/{digits[:2]}/{digits}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        size = size_of(shape, number)
        if size == REAL_SIZE:
            os.write(fd, random.Random(number).randbytes(size))
        else:
            os.truncate(fd, size)
        os.close(fd)


def write_sqlite(shape: Shape, path: Path) -> None:
    """All rows, into a database that has the tables and nothing in them."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA cache_size = -1000000")
        database.execute("PRAGMA synchronous = OFF")
        for table, columns, rows in _tables(shape):
            marks = ", ".join("?" for _ in columns)
            names = ", ".join(columns)
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our names
            database.executemany(insert, rows)
    with closing(sqlite3.connect(path)) as database:
        database.execute("ANALYZE")


def write_postgresql(shape: Shape, url: str) -> None:
    """The same for PostgreSQL."""
    with psycopg.connect(url) as connection:
        for table, columns, rows in _tables(shape):
            copy = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with connection.cursor().copy(copy.encode()) as writer:
                for row in rows:
                    writer.write_row(row)
            sequence = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
            connection.execute(f"{sequence} FROM {table}".encode())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(b"VACUUM ANALYZE")


def _tables(shape: Shape) -> Iterator[tuple[str, tuple[str, ...], Iterable[Row]]]:
    now = datetime.now(UTC) - timedelta(hours=1)
    oldest = now - timedelta(days=6)
    step = (now - oldest) / shape.manifests

    def at(manifest: int) -> str:
        return (oldest + step * manifest).strftime(_FORMAT)

    first = oldest.strftime(_FORMAT)
    yield (
        "cache_repository",
        ("id", "upstream", "name", "first_seen_at", "visibility"),
        ((n + 1, UPSTREAM, shape.name(n), first, "public") for n in range(shape.repositories)),
    )
    yield (
        "cache_manifest",
        ("id", "digest", "media_type", "body", "artifact_type", "subject", "stored_at"),
        (
            (n + 1, manifest_digest(n), OCI_MANIFEST, _body(shape, n), "", "", at(n))
            for n in range(shape.manifests)
        ),
    )
    yield (
        "cache_manifestlink",
        ("id", "repository_id", "manifest_id", "proved_at", "pulled_at"),
        ((n + 1, shape.repository_of(n) + 1, n + 1, at(n), at(n)) for n in range(shape.manifests)),
    )
    yield (
        "cache_tag",
        ("id", "repository_id", "name", "manifest_id", "checked_at"),
        (
            (n + 1, shape.repository_of(n) + 1, f"v{n}", n + 1, at(n))
            for n in range(shape.manifests)
        ),
    )
    yield (
        "cache_manifestreference",
        ("id", "manifest_id", "digest", "size", "is_manifest"),
        (
            (n * (_OWN + _SHARED) + place + 1, n + 1, blob_digest(blob), SIZE, False)
            for n in range(shape.manifests)
            for place, blob in enumerate(_needs(n))
        ),
    )
    yield (
        "cache_blob",
        ("id", "digest", "size", "stored_at", "pulled_at"),
        (
            (n + 1, blob_digest(n), size_of(shape, n), at(n // _OWN), at(n // _OWN))
            for n in range(shape.blobs)
        ),
    )
    yield (
        "cache_bloblink",
        ("id", "repository_id", "digest", "proved_at"),
        (
            (n + 1, shape.repository_of(n // _OWN) + 1, blob_digest(n), at(n // _OWN))
            for n in range(shape.blobs)
        ),
    )


def _needs(manifest: int) -> list[int]:
    own = [manifest * _OWN + place for place in range(_OWN)]
    chance = random.Random(manifest)
    # Of what is not much older, as new builds share layers with the last ones.
    lowest = max(0, own[0] - 5_000 * _OWN)
    others = {chance.randrange(lowest, own[0]) for _ in range(_SHARED)} if own[0] > 10 else set()
    return [*own, *others]


def _body(shape: Shape, manifest: int) -> bytes:
    first, *rest = (
        {"mediaType": OCI_CONFIG, "digest": blob_digest(number), "size": size_of(shape, number)}
        for number in _needs(manifest)
    )
    fields = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": first, "layers": rest}
    return json.dumps(fields).encode()
