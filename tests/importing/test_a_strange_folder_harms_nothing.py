"""Whoever could write to the folder may have left anything there: it is named, or passed over."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cache import catalog, naming
from cache.config import Config, Storage
from cache.importing import Finding, Job, Kind, RegistryFolder, Tally, import_folder
from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.streaming.adopting import read_plainly
from cache.streaming.store import FileStore
from tests.fakes.images import build_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

IMAGE = build_image((b"a layer",))
NAME = "acme/image"
REPOSITORY = Repository("docker.io", RepositoryName(NAME))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Below `docker/registry/v2` of a cache that holds one image in one repository."""
    tree = tmp_path / "old" / "docker/registry/v2"
    _write(tmp_path / "old/scheduler-state.json", b"{}")
    for data in (IMAGE.manifest, IMAGE.config, *IMAGE.layers):
        _write(_data(tree, Digest.of(data)), data)
    for digest in (IMAGE.config_digest, *IMAGE.layer_digests):
        _link(tree, f"_layers/sha256/{digest.hex}", digest)
    _link(tree, f"_manifests/revisions/sha256/{IMAGE.digest.hex}", IMAGE.digest)
    _link(tree, "_manifests/tags/v1/current", IMAGE.digest)
    return tree


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _data(tree: Path, digest: Digest) -> Path:
    return tree / "blobs/sha256" / digest.hex[:2] / digest.hex / "data"


def _link(tree: Path, where: str, digest: Digest | str, name: str = NAME) -> Path:
    path = tree / "repositories" / name / where / "link"
    _write(path, str(digest).encode())
    return path


def _imported(tree: Path, tmp_path: Path) -> tuple[Tally, list[Finding]]:
    store = FileStore(tmp_path / "data")
    config = Config(storage=Storage(tmp_path / "data"))
    findings: list[Finding] = []
    job = Job(
        folder=RegistryFolder(tree.parents[2]),
        locate=functools.partial(naming.locate, config, namespace="docker.io"),
        is_trusted=True,
        holds=lambda digest: store.stat(digest) is not None,
        adopt=functools.partial(store.adopt, link=True),
        reading=read_plainly,
        now=NOW,
        on_finding=findings.append,
    )
    return import_folder(job), findings


def test_a_sound_folder_is_taken_over_twice_with_the_same_end(tree: Path, tmp_path: Path) -> None:
    first, findings = _imported(tree, tmp_path)
    second, _ = _imported(tree, tmp_path)

    assert findings == []
    assert (first.linked, first.held, first.links, first.tags) == (2, 0, 2, 1)
    assert (second.linked, second.held, second.links, second.tags) == (0, 2, 2, 1)
    tag = catalog.find_tag(REPOSITORY, Tag("v1"))
    assert tag is not None
    assert tag.manifest.body == IMAGE.manifest
    assert tag.checked_at <= NOW, "the folder's clock was ahead of ours"
    link = catalog.find_blob_link(REPOSITORY, IMAGE.layer_digests[0])
    assert link is not None
    assert link.size == len(IMAGE.layers[0])


def test_a_record_of_a_blob_that_was_not_held_is_put_right(tree: Path, tmp_path: Path) -> None:
    catalog.record_blob(IMAGE.layer_digests[0], 999, NOW)

    _imported(tree, tmp_path)

    assert catalog.recorded_size(IMAGE.layer_digests[0]) == len(IMAGE.layers[0])


def test_a_tag_that_the_mirror_knows_better_stays(tree: Path, tmp_path: Path) -> None:
    _imported(tree, tmp_path)
    other = build_image((b"another layer",))
    for data in (other.manifest, other.config, *other.layers):
        _write(_data(tree, Digest.of(data)), data)
    _link(tree, f"_manifests/revisions/sha256/{other.digest.hex}", other.digest)
    _link(tree, "_manifests/tags/v1/current", other.digest)

    _imported(tree, tmp_path)

    tag = catalog.find_tag(REPOSITORY, Tag("v1"))
    assert tag is not None
    assert tag.manifest.digest == IMAGE.digest


def test_links_that_lie_are_named(tree: Path, tmp_path: Path) -> None:
    stranger = Digest.of(b"a stranger's")
    _write(_data(tree, stranger), b"a stranger's")
    _link(tree, f"_layers/sha256/{'0' * 64}", stranger)
    _link(tree, f"_layers/sha256/{'1' * 64}", "x" * 10_000)
    _link(tree, "_manifests/tags/v2/current", "sha256:\xff")

    _, findings = _imported(tree, tmp_path)

    assert [(found.kind, found.name) for found in findings] == [
        (Kind.UNUSABLE, f"{NAME}@{'0' * 64}"),
        (Kind.UNUSABLE, f"{NAME}@{'1' * 64}"),
        (Kind.UNUSABLE, f"{NAME}:v2"),
    ]
    assert catalog.find_blob_link(REPOSITORY, stranger) is None


def test_names_outside_the_grammar_are_named(tree: Path, tmp_path: Path) -> None:
    digest = IMAGE.layer_digests[0]
    _link(tree, f"_layers/sha256/{digest.hex}", digest, name="Not/A name\n")
    _link(tree, "_manifests/tags/.v1/current", IMAGE.digest)

    tally, findings = _imported(tree, tmp_path)

    assert {found.name for found in findings} == {"Not/A name\n", f"{NAME}:.v1"}
    assert all("\n" not in str(found) for found in findings)
    assert tally.repositories == 1


def test_nothing_but_plain_files_is_opened(tree: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a layer of somebody else's")
    outside = Digest.of(secret.read_bytes())
    _link(tree, f"_layers/sha256/{outside.hex}", outside)
    _data(tree, outside).parent.mkdir(parents=True)
    _data(tree, outside).symlink_to(secret)
    (tree / "repositories/loop").symlink_to(tree / "repositories")
    pipe = _link(tree, "_manifests/tags/v3/current", "")
    pipe.unlink()
    os.mkfifo(pipe)

    tally, findings = _imported(tree, tmp_path)

    assert findings == []
    assert tally.repositories == 1
    assert tally.absent == 1, "what is no file counts as expired"
    assert FileStore(tmp_path / "data").stat(outside) is None


def test_a_manifest_that_is_none_is_named(tree: Path, tmp_path: Path) -> None:
    body = b'{"schemaVersion": 2}'
    _write(_data(tree, Digest.of(body)), body)
    _link(tree, f"_manifests/revisions/sha256/{Digest.of(body).hex}", Digest.of(body))
    _data(tree, IMAGE.digest).write_bytes(IMAGE.manifest + b" ")

    tally, findings = _imported(tree, tmp_path)

    assert {(found.kind, found.name) for found in findings} == {
        (Kind.DAMAGED, str(Digest.of(body))),
        (Kind.DAMAGED, str(IMAGE.digest)),
        (Kind.DANGLING, f"{NAME}:v1"),
    }
    assert tally.manifests == 0
