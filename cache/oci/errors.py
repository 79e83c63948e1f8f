"""The one table of protocol errors, and the exception that carries one of them to the client.

Codes: OCI Distribution Specification 1.1, "Error Codes"; those which only Docker's registry API
defines (TAG_INVALID, MANIFEST_UNVERIFIED, RANGE_INVALID, PAGINATION_NUMBER_INVALID, UNAVAILABLE,
UNKNOWN) are there because the same clients know them. The OCI specification gives codes no
status; the statuses are those that Docker's registry answers with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_QUOTE = 80


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code of the protocol, its usual HTTP status, its message if nothing better is known."""

    code: str
    status: int
    message: str


_TABLE = (
    ErrorCode("BLOB_UNKNOWN", 404, "the blob is not known in this repository"),
    ErrorCode("BLOB_UPLOAD_INVALID", 404, "the upload cannot be continued"),
    ErrorCode("BLOB_UPLOAD_UNKNOWN", 404, "the upload is not known"),
    ErrorCode("DENIED", 403, "access to this resource is denied"),
    ErrorCode("DIGEST_INVALID", 400, "the digest is not valid"),
    ErrorCode("MANIFEST_BLOB_UNKNOWN", 404, "the manifest names a blob that is not known"),
    ErrorCode("MANIFEST_INVALID", 400, "the manifest is not valid"),
    ErrorCode("MANIFEST_UNKNOWN", 404, "the manifest is not known in this repository"),
    ErrorCode("MANIFEST_UNVERIFIED", 400, "the manifest's signature cannot be verified"),
    ErrorCode("NAME_INVALID", 400, "the repository name is not valid"),
    ErrorCode("NAME_UNKNOWN", 404, "the repository is not known"),
    ErrorCode("PAGINATION_NUMBER_INVALID", 400, "the number of results asked for is not valid"),
    ErrorCode("RANGE_INVALID", 416, "the range cannot be satisfied"),
    ErrorCode("SIZE_INVALID", 400, "the length does not match the content"),
    ErrorCode("TAG_INVALID", 400, "the tag is not valid"),
    ErrorCode("TOOMANYREQUESTS", 429, "too many requests"),
    ErrorCode("UNAUTHORIZED", 401, "authentication is required"),
    ErrorCode("UNAVAILABLE", 503, "the service is not available"),
    ErrorCode("UNKNOWN", 500, "an unknown error occurred"),
    ErrorCode("UNSUPPORTED", 405, "the operation is not supported"),
)

ERRORS: Mapping[str, ErrorCode] = MappingProxyType({error.code: error for error in _TABLE})


class RegistryError(Exception):
    """A refusal in the protocol's own terms; raised anywhere, rendered in one place.

    `code` is a key of `ERRORS` (anything else is a bug: KeyError). `status` overrides the table's,
    for UNAVAILABLE as 502 or 504. `detail` is anything that JSON can hold; `headers` go out with
    the answer (`Retry-After`, `WWW-Authenticate`, ...). Text from outside goes through `quote`
    before it becomes part of `message` or `detail`.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known = ERRORS[code]
        self.code = known.code
        self.status = known.status if status is None else status
        self.message = message or known.message
        self.detail = detail
        self.headers: Mapping[str, str] = MappingProxyType(dict(headers or {}))
        super().__init__(f"{self.code}: {self.message}")

    def envelope(self) -> bytes:
        """The answer's JSON body, in ASCII (OCI Distribution Specification, "Error Codes")."""
        error = {"code": self.code, "message": self.message, "detail": self.detail}
        return json.dumps({"errors": [error]}, default=str).encode("ascii")


def quote(text: str) -> str:
    """`text` from outside, safe in a log line or an answer: quoted, printable ASCII, bounded.

    At most `LONGEST_QUOTE` characters of the quoted form are kept; "..." says that some are gone.
    """
    # Cut before escaping too: an escape is at most ten characters long, the input has no bound.
    escaped = ascii(text[: LONGEST_QUOTE + 1])
    if len(escaped) <= LONGEST_QUOTE:
        return escaped
    return escaped[: LONGEST_QUOTE - 3] + "..."
