"""Docker's schema 1 manifests, which old images still have: signed inside their own JSON.

Docker's "Image Manifest Version 2, Schema 1" and libtrust's JSON signatures: each signature's
`protected` header says how many of the body's first bytes are payload (`formatLength`) and how
the payload ends (`formatTail`). The digest is the payload's, so one digest may come with
different signatures.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cache.oci.descriptor import BadManifest, JsonObject, parse_object

MOST_SIGNATURES = 100


def signed_payload(body: bytes, document: JsonObject) -> bytes:
    """The bytes that the digest names: `body` without its signatures, or all of it if unsigned.

    `document` is the parsed `body`. Raises BadManifest, also when the body says anything besides
    its signatures that the payload does not: nothing would vouch for it.
    """
    signatures = document.get("signatures")
    if signatures is None:
        return body
    if not isinstance(signatures, list) or len(signatures) > MOST_SIGNATURES:
        raise BadManifest(f"signatures is not a list of at most {MOST_SIGNATURES}")
    payloads = {_payload(body, signature) for signature in signatures}
    if len(payloads) != 1:
        raise BadManifest("the signatures do not agree on one payload")
    payload = payloads.pop()
    unsigned = {key: value for key, value in document.items() if key != "signatures"}
    if parse_object(payload) != unsigned:
        raise BadManifest("the body says more than what was signed")
    return payload


def _payload(body: bytes, signature: Any) -> bytes:
    if not isinstance(signature, dict):
        raise BadManifest("a signature is not a JSON object")
    protected = parse_object(_decode(signature.get("protected")))
    length = protected.get("formatLength")
    if not isinstance(length, int):
        raise BadManifest("a signature's formatLength is not a number")
    # A length outside the body gives a payload that cannot be the body's content.
    return body[:length] + _decode(protected.get("formatTail"))


def _decode(value: object) -> bytes:
    # base64url without padding (RFC 7515 section 2)
    if not isinstance(value, str) or not value.isascii():
        raise BadManifest("a part of a signature is missing or not text")
    try:
        padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise BadManifest("a part of a signature is not base64url") from error
