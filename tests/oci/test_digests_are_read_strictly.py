from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_a_digest_reads_back_as_it_was_written(text: str) -> None:
    digest = Digest.parse(text)
    assert str(digest) == text
    assert f"{digest.algorithm}:{digest.hex}" == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        "latest",
        SHA256[:-1],
        SHA256 + "0",
        SHA256 + "\n",
        " " + SHA256,
        SHA256.upper(),
        "sha256:" + SHA256[7:].upper(),
        "sha256:" + "g" * 64,
        "sha256:" + "\N{ARABIC-INDIC DIGIT ONE}" * 64,
        "sha256:" + "../" * 21 + "a",
        "sha512:" + "a" * 64,
        "sha256:" + "a" * 128,
        "md5:" + "a" * 32,
        "sha384:" + "a" * 96,
        "sha256+b64:" + "a" * 64,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        Digest.parse(text)
    assert (caught.value.code, caught.value.status) == ("DIGEST_INVALID", 400)


def test_the_refusal_says_what_was_found_and_what_is_allowed() -> None:
    with pytest.raises(RegistryError) as caught:
        Digest.parse("md5:" + "x" * 1_000_000)
    message = caught.value.message
    assert "'md5:xxx" in message
    assert "sha256" in message
    assert "sha512" in message
    assert len(message) < 300


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_is_computed_at_once_or_in_pieces(algorithm: str) -> None:
    data = b"content" * 1000

    digest = Digest.of(data, algorithm)
    hasher = digest.hasher()
    hasher.update(data[:10])
    hasher.update(data[10:])

    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    assert hasher.hexdigest() == digest.hex


def test_equal_digests_are_one_key() -> None:
    assert {Digest.parse(SHA256): 1}[Digest.parse(SHA256)] == 1
    assert Digest.of(b"") == Digest.parse(f"sha256:{hashlib.sha256().hexdigest()}")


@given(st.text() | st.text(alphabet="0123456789abcdefsh:", min_size=60, max_size=140))
def test_no_text_causes_another_error(text: str) -> None:
    with suppress(RegistryError):
        assert str(Digest.parse(text)) == text
