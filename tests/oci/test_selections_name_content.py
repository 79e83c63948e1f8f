"""An operator names content by repository, tag or digest, with patterns."""

from __future__ import annotations

import pytest

from cache.oci.selection import Selection

HUB = "docker.io"
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("written", "upstream", "name", "tags", "fits"),
    [
        ("library/*:lts", HUB, "library/node", ["20", "lts"], True),
        ("library/*:lts", HUB, "library/node", ["20"], False),
        ("library/*:lts", HUB, "library/node", [], False),
        ("acme/**", HUB, "acme/a/b", [], True),
        ("acme/**", "ghcr.io", "acme/a", ["1"], True),
        ("ghcr.io/acme/**", "ghcr.io", "acme/a", ["1"], True),
        ("ghcr.io/acme/**", HUB, "acme/a", ["1"], False),
        ("node:20", HUB, "library/node", ["20"], True),
        ("docker.io/node:20", HUB, "library/node", ["20"], True),
        ("node:2?", HUB, "library/node", ["20"], True),
        ("r.example:5000/a", "r.example:5000", "a", [], True),
        ("r.example:5000/a:v*", "r.example:5000", "a", ["v1"], True),
        ("**", HUB, "a/b", [], True),
        (DIGEST, HUB, "a/b", [], True),
        (OTHER, HUB, "a/b", [], False),
        (f"a/b@{DIGEST}", HUB, "a/b", ["1"], True),
        (f"a/c@{DIGEST}", HUB, "a/b", ["1"], False),
    ],
)
def test_a_manifest(written: str, upstream: str, name: str, tags: list[str], fits: bool) -> None:
    assert Selection.parse(written).fits_manifest(upstream, name, tags, DIGEST) is fits


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        (DIGEST, True),
        (OTHER, False),
        ("acme/**", True),
        ("b/**", False),
        ("acme/**:lts", False),
        (f"acme/x@{DIGEST}", True),
    ],
)
def test_a_blob_belongs_to_whole_repositories(written: str, fits: bool) -> None:
    repositories = [(HUB, "acme/x"), ("ghcr.io", "c/d")]
    assert Selection.parse(written).fits_blob(repositories, DIGEST) is fits


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a b",
        "A/b",
        "a:b:c d",
        "no:such:thing",
        "a/b:c/d:e",
        "sha256:12",
        "sha512:zz",
        "a@b",
        f"a@{DIGEST[:-1]}",
        "a" * 300,
    ],
)
def test_nonsense_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        Selection.parse(written)
