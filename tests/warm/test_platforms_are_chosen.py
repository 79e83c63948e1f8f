"""What is taken of an index: what a machine of the platform would pull, and no more."""

from __future__ import annotations

import pytest

from cache.oci.digest import Digest
from cache.oci.manifest import Descriptor, Platform
from cache.oci.media_types import OCI_MANIFEST
from cache.warm import NoPlatform, Selection, parse_platform


def child(name: str, **annotations: str) -> Descriptor:
    """One for the platform `name`; annotations make it another one of the same platform."""
    os, _, rest = name.partition("/")
    architecture, _, variant = rest.partition("/")
    return Descriptor(
        media_type=OCI_MANIFEST,
        digest=Digest.of(f"{name} {annotations}".encode()),
        size=2,
        annotations=tuple(annotations.items()),
        platform=Platform(os, architecture, variant) if name else None,
    )


def taken(names: list[str], *wanted: str) -> tuple[list[str], list[str]]:
    children = tuple(child(name) for name in names)
    selection = Selection(tuple(parse_platform(each) for each in wanted))
    chosen, missing = selection.choose(children)
    by_digest = {str(each.digest): name for each, name in zip(children, names, strict=True)}
    return [by_digest[str(each.digest)] for each in chosen], missing


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (["linux/amd64", "linux/arm64/v8"], ["linux/arm64"], ["linux/arm64/v8"]),
        (["linux/amd64", "linux/arm64/v8"], ["linux/aarch64"], ["linux/arm64/v8"]),
        (["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], ["linux/arm"], ["linux/arm/v7"]),
        (["linux/arm/v5", "linux/arm/v7"], ["linux/arm/v6"], ["linux/arm/v5"]),
        (["linux/amd64", "linux/amd64/v3"], ["linux/amd64"], ["linux/amd64"]),
        (["linux/amd64", "linux/amd64/v3"], ["linux/amd64/v4"], ["linux/amd64/v3"]),
        (["linux/arm64", "linux/amd64"], ["linux/amd64", "linux/arm64"], None),
        (["linux/riscv64", ""], ["linux/amd64"], [""]),
    ],
)
def test_the_best_for_a_machine(
    offered: list[str], wanted: list[str], chosen: list[str] | None
) -> None:
    got, missing = taken(offered, *wanted)

    assert sorted(got) == sorted(chosen or offered)
    assert missing == []


def test_what_is_not_there_is_named() -> None:
    assert taken(["linux/amd64", "linux/arm/v7"], "linux/s390x", "linux/arm/v6", "linux/amd64") == (
        ["linux/amd64"],
        ["linux/s390x", "linux/arm/v6"],
    )


def test_of_two_that_are_alike_the_first_is_taken_and_of_windows_all() -> None:
    one, other = child("linux/amd64", n="1"), child("linux/amd64", n="2")
    old, new = child("windows/amd64", n="1"), child("windows/amd64", n="2")
    both = Selection((parse_platform("linux/amd64"), parse_platform("windows/amd64")))

    assert both.choose((one, old, other, new)) == ((one, old, new), [])


def test_attestations_only_if_asked_for_and_only_of_what_is_taken() -> None:
    amd64, arm64 = child("linux/amd64"), child("linux/arm64")
    of_amd64, of_arm64 = (
        child(
            "unknown/unknown",
            **{
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": str(image.digest),
            },
        )
        for image in (amd64, arm64)
    )
    index = (amd64, arm64, of_amd64, of_arm64)
    wanted = (parse_platform("linux/amd64"),)

    assert Selection(wanted).choose(index)[0] == (amd64,)
    assert Selection(wanted, attestations=True).choose(index)[0] == (amd64, of_amd64)
    assert Selection(None).choose(index)[0] == (amd64, arm64)
    assert Selection(None, attestations=True).choose(index)[0] == index


@pytest.mark.parametrize("text", ["", "linux", "linux/", "linux/arm64/v8/x", "Linux/amd64", "*/*"])
def test_no_platform(text: str) -> None:
    with pytest.raises(NoPlatform, match="such as linux/arm64"):
        parse_platform(text)
