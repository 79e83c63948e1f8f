from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.media_types import (
    ACCEPT,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFEST_TYPES,
    MOST_RANGES,
    OCI_INDEX,
    OCI_MANIFEST,
    accepts,
    is_index,
    media_type_of,
)


@pytest.mark.parametrize("header", [None, "", "  ", ",,", "*/*", "nonsense", "*/*;q=0.1"])
def test_a_client_that_asks_for_nothing_in_particular_accepts_all(header: str | None) -> None:
    assert accepts(header, OCI_INDEX)
    assert accepts(header, "application/vnd.example.artifact+json")


@pytest.mark.parametrize(
    "header",
    [
        OCI_INDEX,
        OCI_INDEX.upper(),
        f"{DOCKER_LIST},{OCI_INDEX}",
        f"{DOCKER_LIST} , \t{OCI_INDEX} ;q=0.5",
        f"{OCI_INDEX};charset=utf-8",
        f"{OCI_INDEX}; Q=1.000",
        f"{OCI_INDEX};q=nonsense",
        f"{OCI_INDEX};q=",
        f"{OCI_INDEX};q=0.0000",
        f"{OCI_INDEX};q=0.001",
        "application/*",
        "text/html, application/*;q=0.001",
        f"{OCI_INDEX};q=0,{OCI_INDEX}",
        f"garbage,/,;;q=,{OCI_INDEX}",
        f"{OCI_INDEX}, */*;q=0",
        f"{OCI_INDEX}, application/*;q=0",
    ],
)
def test_a_type_that_is_covered_is_accepted(header: str) -> None:
    assert accepts(header, OCI_INDEX)


@pytest.mark.parametrize(
    "header",
    [
        OCI_MANIFEST,
        "text/html",
        "text/*",
        f"{OCI_INDEX};q=0",
        f"{OCI_INDEX}; q=0.000, */*",
        f"{OCI_INDEX};q=0, application/*",
        "application/*;q=0, */*",
        "*/*;q=0",
        "*/*;level=1;q=0.0",
        OCI_INDEX + "x",
        OCI_INDEX[:-1],
    ],
)
def test_a_type_that_is_not_covered_or_weighs_nothing_is_refused(header: str) -> None:
    assert not accepts(header, OCI_INDEX)


def test_the_answers_content_type_may_have_parameters() -> None:
    assert accepts(OCI_INDEX, f"{OCI_INDEX}; charset=utf-8")


def test_a_header_is_read_up_to_a_bound() -> None:
    within = "text/html," * (MOST_RANGES - 1) + OCI_INDEX
    beyond = "text/html," * MOST_RANGES + OCI_INDEX
    assert accepts(within, OCI_INDEX)
    assert not accepts(beyond, OCI_INDEX)


def test_upstream_is_offered_every_kind_of_manifest_and_any_artifact() -> None:
    offered = {part.strip() for part in ACCEPT.split(",")}
    assert offered == MANIFEST_TYPES | {"*/*"}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, ""),
        ("", ""),
        ("application/json; charset=utf-8", "application/json"),
        (" Application/JSON ", "application/json"),
        (OCI_MANIFEST, OCI_MANIFEST),
        ("application", ""),
        ("a/b/c", ""),
        ("text/html\n", "text/html"),
        ("text/h tml", ""),
        ("a/" + "b" * 253, "a/" + "b" * 253),
        ("a/" + "b" * 254, ""),
        ("a/" + "b" * 5000, ""),
    ],
)
def test_a_content_type_is_reduced_to_its_media_type(
    content_type: str | None, expected: str
) -> None:
    assert media_type_of(content_type) == expected


def test_indexes_are_known() -> None:
    assert is_index(OCI_INDEX)
    assert is_index(DOCKER_LIST)
    assert is_index(f"{OCI_INDEX}; charset=utf-8")
    assert not is_index(OCI_MANIFEST)
    assert not is_index(DOCKER_MANIFEST)
    assert not is_index("")


@given(st.text() | st.text(alphabet='aq/*;=,.01 "\\'), st.text())
def test_no_header_causes_an_error(header: str, media_type: str) -> None:
    accepts(header, OCI_INDEX)
    accepts(OCI_INDEX, media_type)
