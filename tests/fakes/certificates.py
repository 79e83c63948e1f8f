"""Certificates for servers and clients of the tests, from an authority made for them."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority and what it signed, in a folder: `ca.pem`, and `<name>.pem` with its key."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @classmethod
    def make(cls, folder: Path) -> Authority:
        _openssl(folder, "req", "-x509", "-subj", "/CN=the authority", "-keyout", "ca.key",
                 "-out", "ca.pem", *_NEW_KEY)  # fmt: skip
        return cls(folder)

    def sign(self, name: str, *addresses: str) -> tuple[Path, Path]:
        """A certificate for these IP addresses, and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        san = ",".join(f"IP:{address}" for address in addresses or ("127.0.0.9",))
        _openssl(self.folder, "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}",
                 "-addext", "basicConstraints=critical,CA:FALSE",
                 "-keyout", key.name, "-out", certificate.name, *_NEW_KEY)  # fmt: skip
        return certificate, key

    def server(self, address: str, *, wants_certificate: bool = False) -> ssl.SSLContext:
        """TLS of a server at this address, which may want to see clients' certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(f"server-{address}", address))
        if wants_certificate:
            context.load_verify_locations(self.ca)
            # It also serves who shows none, so that a test can see who did.
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def certificate_name(connection: socket) -> str | None:
    """The common name in the certificate that a client has shown; None without one."""
    shown: dict[str, Any] | None = None
    if isinstance(connection, ssl.SSLSocket):
        shown = connection.getpeercert()
    for part in (shown or {}).get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return None


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
