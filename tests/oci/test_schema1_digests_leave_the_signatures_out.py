"""`samples/schema1_signed.json` was made and signed by Debian's docker-registry 2.8.2."""

from __future__ import annotations

import base64
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.digest import Digest
from cache.oci.manifest import BadManifest, Descriptor, read_manifest
from cache.oci.media_types import DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCTET_STREAM
from cache.oci.schema1 import MOST_SIGNATURES
from tests.oci.bodies import body, name_of

SIGNED = (Path(__file__).parent / "samples" / "schema1_signed.json").read_bytes()
# The registry's Docker-Content-Digest.
DIGEST = Digest.parse("sha256:9ed368c9979861370d116b1bbbb028b3287e21f43157efafbdcb2f93a1b2b31d")

UNSIGNED = {
    "schemaVersion": 1,
    "name": "x",
    "fsLayers": [{"blobSum": name_of(layer)} for layer in ("two", "one", "two")],
}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def protected(length: Any, tail: Any) -> dict[str, Any]:
    header = json.dumps({"formatLength": length, "formatTail": tail}).encode()
    return {"protected": encoded(header), "signature": "AA"}


def signed(payload: bytes, *signatures: object) -> bytes:
    """`payload`, a JSON object that ends with "}", with signatures put inside."""
    return payload[:-1] + b', "signatures": ' + json.dumps(signatures).encode() + b"}"


def signed_well(payload: bytes) -> bytes:
    return signed(payload, protected(len(payload) - 1, encoded(b"}")))


def test_a_registrys_own_signed_manifest() -> None:
    manifest = read_manifest(SIGNED, DOCKER_SCHEMA1_SIGNED, DIGEST)

    assert manifest.digest == DIGEST != Digest.of(SIGNED)
    assert manifest.body == SIGNED
    assert [blob.size for blob in manifest.blobs] == [None]


def test_the_digest_is_the_same_whatever_the_signature() -> None:
    payload = body(UNSIGNED)
    once = signed_well(payload)
    twice = signed(payload, *[protected(len(payload) - 1, encoded(b"}"))] * 2)

    assert once != twice
    for raw in (once, twice):
        manifest = read_manifest(raw, DOCKER_SCHEMA1_SIGNED, Digest.of(payload))
        assert manifest.digest == Digest.of(payload)


def test_the_layers_are_blobs_of_unknown_size() -> None:
    manifest = read_manifest(body(UNSIGNED), DOCKER_SCHEMA1)
    assert manifest.blobs == (
        Descriptor(OCTET_STREAM, Digest.of(b"two"), None),
        Descriptor(OCTET_STREAM, Digest.of(b"one"), None),
    )


@pytest.mark.parametrize("media_type", [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED])
def test_without_signatures_the_digest_is_the_bodys(media_type: str) -> None:
    raw = body(UNSIGNED)
    assert read_manifest(raw, media_type).digest == Digest.of(raw)


def test_the_kind_is_seen_in_the_body() -> None:
    assert read_manifest(SIGNED, "application/json").media_type == DOCKER_SCHEMA1_SIGNED
    assert read_manifest(body(UNSIGNED), None).media_type == DOCKER_SCHEMA1


def test_a_changed_payload_is_refused() -> None:
    with pytest.raises(BadManifest):
        read_manifest(SIGNED.replace(b"amd64", b"arm64"), DOCKER_SCHEMA1_SIGNED, DIGEST)


def test_a_body_that_says_more_than_was_signed_is_refused() -> None:
    # The digest covers the first bytes only: without a check, more layers could hide behind them.
    payload = body({"schemaVersion": 1, "fsLayers": []})
    hiding = signed_well(payload).replace(b', "signatures"', b', "tag": "x", "signatures"')
    with pytest.raises(BadManifest, match="more than what was signed"):
        read_manifest(hiding, DOCKER_SCHEMA1_SIGNED, Digest.of(payload))


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        [None],
        [{}],
        [{"protected": 1}],
        [{"protected": "a"}],
        [{"protected": "\u00e9"}],
        [{"protected": "!!!!"}],
        [{"protected": encoded(b"[]")}],
        [protected("1", encoded(b"}"))],
        [protected(True, encoded(b"}"))],
        [protected(0, encoded(b"{}"))],
        [protected(-1, encoded(b"}"))],
        [protected(10**9, encoded(b"}"))],
        [protected(1, None)],
    ],
)
def test_malformed_signatures_are_refused(signatures: list[object]) -> None:
    with pytest.raises(BadManifest):
        read_manifest(signed(body(UNSIGNED), *signatures), DOCKER_SCHEMA1_SIGNED)


def test_signatures_of_different_payloads_are_refused() -> None:
    payload = body(UNSIGNED)
    here = len(payload) - 1
    raw = signed(payload, protected(here, encoded(b"}")), protected(here, encoded(b" }")))
    with pytest.raises(BadManifest, match="do not agree"):
        read_manifest(raw, DOCKER_SCHEMA1_SIGNED)


def test_signatures_without_end_are_refused() -> None:
    payload = body(UNSIGNED)
    one = protected(len(payload) - 1, encoded(b"}"))
    assert read_manifest(signed(payload, *[one] * MOST_SIGNATURES), DOCKER_SCHEMA1_SIGNED).body
    with pytest.raises(BadManifest, match="at most"):
        read_manifest(signed(payload, *[one] * (MOST_SIGNATURES + 1)), DOCKER_SCHEMA1_SIGNED)


def test_signatures_may_stand_in_the_middle() -> None:
    head, tail = b'{"schemaVersion": 1', ', "tag": "\u00ff\u00fe~?"}'.encode()
    assert set(encoded(tail)) & {"-", "_"}  # the letters that plain base64 has not
    signatures = json.dumps([protected(len(head), encoded(tail))]).encode()

    raw = head + b', "signatures": ' + signatures + tail

    assert read_manifest(raw, DOCKER_SCHEMA1_SIGNED).digest == Digest.of(head + tail)


@pytest.mark.parametrize("layers", [{}, [None], [{}], [{"blobSum": "x"}]])
def test_malformed_layers_are_refused(layers: object) -> None:
    with pytest.raises(BadManifest):
        read_manifest(body(UNSIGNED | {"fsLayers": layers}), DOCKER_SCHEMA1)


def test_nesting_near_the_interpreters_limit_is_no_other_error() -> None:
    for depth in range(sys.getrecursionlimit()):
        payload = b'{"schemaVersion": 1, "deep": ' + b"[" * depth + b"]" * depth + b"}"
        with suppress(BadManifest):
            read_manifest(signed_well(payload), DOCKER_SCHEMA1_SIGNED)


@given(length=st.integers(), tail=st.text())
def test_no_signature_causes_another_error(length: int, tail: str) -> None:
    raw = signed(body(UNSIGNED), protected(length, tail))
    with pytest.raises(BadManifest):
        read_manifest(raw, DOCKER_SCHEMA1_SIGNED)
