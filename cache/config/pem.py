"""PEM files, tried before the start: later, every connection would fail in its own handshake."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from cache.config.values import Refused, readable_file

if TYPE_CHECKING:
    from pathlib import Path

    from cache.config.document import Scalar


def check_pair(certificate: Path, key: Path) -> None:
    """Raise Refused unless both load and belong together."""
    try:
        # An empty password keeps OpenSSL from asking for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise Refused(
            "a PEM certificate and its own key, not encrypted",
            f"files that do not load ({reason(error)})",
        ) from None


def authorities(value: Scalar) -> Path:
    """A file of certificates that are trusted."""
    path = readable_file(value)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise Refused(f"PEM certificates ({reason(error)})") from None
    return path


def reason(error: Exception) -> str:
    """Why a file did not load, in OpenSSL's or the system's words."""
    return str(getattr(error, "reason", None) or error)
