"""A blob that another program is to send becomes readable by the group, and nothing else does."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cache.oci.digest import Digest
from cache.streaming.handing_over import let_group_read
from cache.streaming.store import FileStore
from tests.e2e.parts import require_root

DATA = b"a blob"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def hold(store: FileStore, data: bytes) -> tuple[Digest, Path]:
    digest = Digest.of(data)
    part = store.begin(digest)
    assert part is not None
    try:
        part.write(data)
        store.commit(digest, part)
    finally:
        part.close()
    return digest, store.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def handed_over(store: FileStore, digest: Digest) -> str | None:
    opened = store.open(digest)
    assert opened is not None
    with opened:
        return store.hand_over(digest, opened)


def test_the_way_to_it_is_opened_and_no_more(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    store.root.chmod(0o700)
    digest, path = hold(store, DATA)
    _, other = hold(store, DATA + b" not asked for")

    assert handed_over(store, digest) == str(path.relative_to(store.root / "blobs"))

    assert mode(path) == 0o640
    for folder in (store.root, store.root / "blobs", path.parent):
        assert mode(folder) & 0o070 == 0o010
    assert mode(other) == 0o600
    assert mode(store.root / "parts") == 0o700


def test_a_manager_that_shuts_the_root_again_does_not_undo_it(tmp_path: Path) -> None:
    # systemd gives its StateDirectory the unit's mode at every start.
    store = FileStore(tmp_path / "store")
    digest, _ = hold(store, DATA)
    for _ in range(2):
        store.root.chmod(0o700)
        assert handed_over(store, digest) is not None
        assert mode(store.root) == 0o710


def test_what_is_another_users_cannot_be_handed_over(tmp_path: Path) -> None:
    require_root()
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    path.chmod(0o600)

    with path.open("rb") as opened:
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os._exit(int(let_group_read(opened, ())))
        ended = os.waitpid(child, 0)[1]

    assert ended == 0
    assert mode(path) == 0o600
