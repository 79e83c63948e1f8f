"""A token server that real registries believe: it signs what it grants (RFC 7519).

The claims are those of distribution's "Token Authentication Implementation".
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

from tests.e2e.processes import run
from tests.fakes.authentication import basic_user
from tests.fakes.server import LoopbackServer, QuietHandler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

ISSUER = "the tests' token server"
LIFETIME = 300


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and a certificate of its own, as PEM files that openssl has made in `home`."""

    home: Path

    def __post_init__(self) -> None:
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=token signer"),
            *("-keyout", str(self.key), "-out", str(self.certificate)),
        )

    @property
    def key(self) -> Path:
        return self.home / "signer.key"

    @property
    def certificate(self) -> Path:
        return self.home / "signer.pem"

    def sign(self, claims: Mapping[str, object]) -> str:
        """A JSON Web Token that carries its certificate (RFC 7515 section 4.1.6)."""
        chain = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(chain).decode("ascii")]}
        signed = f"{_encoded(_json(header))}.{_encoded(_json(claims))}"
        unsigned, signature = self.home / secrets.token_hex(8), self.home / secrets.token_hex(8)
        unsigned.write_text(signed)
        run(
            *("openssl", "dgst", "-sha256", "-sign", str(self.key)),
            *("-out", str(signature), str(unsigned)),
        )
        return f"{signed}.{_encoded(signature.read_bytes())}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token; `user` is None if it was nobody's."""

    service: str
    scopes: tuple[str, ...]
    user: str | None


@dataclass(slots=True)
class TokenServer:
    """Grants pulling to anyone, of the `private` repositories only to its `users`. Thread-safe."""

    signer: Signer
    users: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()
    host: str = "127.0.0.1"
    _asked: list[Asked] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: LoopbackServer | None = None

    def __enter__(self) -> Self:
        self._server = LoopbackServer((self.host, 0), _handler_for(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.cut_off()
        self._server.join()
        if self._server.failures:
            raise self._server.failures[0]

    @property
    def realm(self) -> str:
        assert self._server is not None
        return f"http://{self.host}:{self._server.server_address[1]}/token"

    def asked(self) -> list[Asked]:
        """The requests so far."""
        with self._lock:
            return list(self._asked)

    def issue(self, query: str, authorization: str | None) -> bytes | None:
        """The answer to a request, or None if user name and password are wrong."""
        user = basic_user(authorization, self.users)
        if authorization is not None and user is None:
            return None
        parameters = parse_qs(query)
        service, scopes = parameters["service"][0], tuple(parameters.get("scope", ()))
        with self._lock:
            self._asked.append(Asked(service, scopes, user))
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user or "",
            "aud": service,
            "exp": now + LIFETIME,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": [
                {"type": kind, "name": name, "actions": ["pull"]}
                for kind, _, rest in (scope.partition(":") for scope in scopes)
                if (name := rest.rpartition(":")[0]) and (user or name not in self.private)
            ],
        }
        return _json({"token": self.signer.sign(claims), "expires_in": LIFETIME})


def _handler_for(server: TokenServer) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the base class dispatches to this name
            issued = server.issue(urlsplit(self.path).query, self.headers["Authorization"])
            self.send_response(401 if issued is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(issued or b"")))
            self.end_headers()
            self.wfile.write(issued or b"")

    return Handler


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
