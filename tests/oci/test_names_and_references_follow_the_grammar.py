from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag, hub_name, parse_reference, referrers_tag

SHA256 = "sha256:" + "a" * 64
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "0",
        "library/busybox",
        "a/b/c/d/e",
        "a.b/c_d/e__f/g-h/i---j",
        "x" * 255,
        "/".join(["ab"] * 85),
    ],
)
def test_a_repository_name_of_the_grammar_is_accepted(text: str) -> None:
    assert str(RepositoryName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "-a",
        "a-",
        ".a",
        "a.",
        "a..b",
        "a___b",
        "a._b",
        "a_",
        "..",
        "a/../b",
        "a b",
        "a\n",
        "a:b",
        "a@b",
        "a%2fb",
        "\xe9",
        "\N{FULLWIDTH DIGIT ONE}",
        "a\0",
        "x" * 256,
    ],
)
def test_any_other_repository_name_is_refused(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        RepositoryName.parse(text)
    assert (caught.value.code, caught.value.status) == ("NAME_INVALID", 400)


@pytest.mark.parametrize("text", ["latest", "1", "_", "1.2.3-rc.1_x", "T" * 128, "a..b", "a-"])
def test_a_reference_without_a_colon_is_a_tag(text: str) -> None:
    assert parse_reference(text) == Tag(text)
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "a/b", "a\n", "T" * 129, "\xe9", "a+b"])
def test_any_other_tag_is_refused(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        parse_reference(text)
    assert (caught.value.code, caught.value.status) == ("TAG_INVALID", 400)


def test_a_reference_with_a_colon_is_a_digest() -> None:
    assert parse_reference(SHA256) == Digest("sha256", "a" * 64)


@pytest.mark.parametrize("text", ["a:b", "sha256:", SHA256 + "a", "tag:sha256", ":"])
def test_a_broken_digest_is_not_taken_for_a_tag(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        parse_reference(text)
    assert caught.value.code == "DIGEST_INVALID"


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        (SHA256, "sha256-" + "a" * 64),
        (SHA512, "sha512-" + "0123456789abcdef" * 4),
    ],
)
def test_the_referrers_tag_fits_the_tag_grammar(digest: str, tag: str) -> None:
    assert referrers_tag(Digest.parse(digest)) == Tag.parse(tag)


def test_a_one_part_name_is_in_hubs_library() -> None:
    assert hub_name(RepositoryName.parse("busybox")).value == "library/busybox"
    assert hub_name(RepositoryName.parse("bitnami/redis")).value == "bitnami/redis"
    assert hub_name(RepositoryName.parse("library/busybox")).value == "library/busybox"


def test_a_name_that_the_prefix_makes_too_long_is_refused() -> None:
    assert len(hub_name(RepositoryName.parse("x" * 247)).value) == 255
    with pytest.raises(RegistryError, match="NAME_INVALID"):
        hub_name(RepositoryName.parse("x" * 248))


@pytest.mark.parametrize("text", ["a-" * 127 + "!", "a" * 254 + "/", "a" + "-" * 254, "a_" * 127])
def test_hostile_names_are_answered_at_once(text: str) -> None:
    # A backtracking pattern would take longer than the test's time limit.
    with pytest.raises(RegistryError):
        RepositoryName.parse(text)


@given(st.text() | st.text(alphabet="ab0/._-:@A", max_size=300))
def test_no_text_causes_another_error(text: str) -> None:
    with suppress(RegistryError):
        assert str(RepositoryName.parse(text)) == text
    with suppress(RegistryError):
        assert str(parse_reference(text)) == text
