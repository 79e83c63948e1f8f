"""Where an upstream is, and who we are there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import httpx
from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from pathlib import Path

    from cache.upstream.helper import Helper

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registry and how to speak to it. Times are in seconds.

    url: `http(s)://host[:port][/path]`; the API is at `<url>/v2/`. ValueError if it is anything
      else, or carries a user, a query or a fragment.
    username, password: what we sign in with, unless a `helper` is asked for it.
    realms: hosts (`host` or `host:port`) of token servers that may be sent the password although
      they are not in the upstream's own domain.
    ca: a PEM file of authorities that are trusted besides the machine's.
    client_certificate, client_key: PEM files, both or none; shown to whom the password may be.
    insecure_skip_verify: believe whoever answers under the upstream's own host name.
    proxy: the address of an egress proxy, instead of what the environment says.
    connect_timeout: for a connection, and for the wait for a free one of `max_connections`.
    first_byte_timeout: until an answer begins; clients wait for ours meanwhile, containerd for 30.
    stall_timeout: between two pieces of an answer's body.
    answer_timeout: for all of an answer that is read as a whole: manifests, lists, tokens.
    max_connections: how many requests of this process run at once, and how many transfers; the
      next one waits.
    bandwidth: bytes per second of the transfers of all processes together; None: no bound.
    offline: it is never asked.
    name: what the mirror calls it where it counts what it does.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    helper: Helper | None = None
    realms: tuple[str, ...] = ()
    ca: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    insecure_skip_verify: bool = False
    proxy: str | None = field(default=None, repr=False)
    connect_timeout: float = 10.0
    first_byte_timeout: float = 20.0
    stall_timeout: float = 30.0
    answer_timeout: float = 60.0
    max_connections: int = 128
    bandwidth: int | None = None
    offline: bool = False
    user_agent: str = "mirrorsite"
    name: str = ""

    def __post_init__(self) -> None:
        url = parse_http_url(self.url)
        if url is None or url.query or url.fragment:
            # The value itself is not repeated: what makes it wrong may be a password in it.
            raise ValueError("an upstream's url must be http(s)://host[:port][/path]")

    @property
    def base(self) -> httpx.URL:
        """The address that the API's paths are appended to, without a final slash."""
        return httpx.URL(self.url.rstrip("/"))

    @property
    def host(self) -> str:
        """For messages: `host` or `host:port`."""
        return host_of(self.base)

    @property
    def has_credentials(self) -> bool:
        return self.helper is not None or (bool(self.username) and self.password is not None)

    @property
    def has_files(self) -> bool:
        """Whether certificates are read from files."""
        return self.ca is not None or self.client_certificate is not None

    @property
    def identity(self) -> str:
        """Who we are to upstream: the user, or the helper that names one; empty for anybody."""
        if self.helper is not None:
            return f"{self.helper.command} {self.helper.server}"
        return self.username or "" if self.has_credentials else ""

    @property
    def anybodys(self) -> Endpoint:
        """The same, as it is to who has no credentials for it."""
        return replace(self, username=None, password=None, helper=None)

    def is_own_host(self, url: httpx.URL) -> bool:
        """Whether `url` is at the upstream's own host, at whatever port."""
        return _ascii_host(url) == _ascii_host(self.base)

    def may_send_credentials_to(self, realm: httpx.URL) -> bool:
        """Whether the server at `realm` may see the password or the client certificate.

        A realm is an address that the other side chose: it must be on the upstream's host (any
        port), in the same registrable domain, or named by the operator.
        """
        named = {name.lower() for name in self.realms}
        if {_ascii_host(realm), host_of(realm)} & named:
            return True
        return same_site(_ascii_host(self.base), _ascii_host(realm))


def parse_http_url(text: str) -> httpx.URL | None:
    """An absolute http(s) address without user info, or None."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
    if url.scheme not in _DEFAULT_PORTS or url.userinfo:
        return None
    host = _ascii_host(url)
    return url if _HOST_NAME.fullmatch(host) or _is_address(host) else None


def origin_of(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454)."""
    return url.scheme, _ascii_host(url), url.port or _DEFAULT_PORTS[url.scheme]


def host_of(url: httpx.URL) -> str:
    """`host`, or `host:port` if the port is not the scheme's own."""
    return url.netloc.decode("ascii").lower()


def same_site(one: str, other: str) -> bool:
    """Whether two host names are equal or belong to one registrable domain."""
    if one == other:
        return True
    if _is_address(one) or _is_address(other):
        return False
    domain = _public_suffixes().privatesuffix(one)
    return domain is not None and domain == _public_suffixes().privatesuffix(other)


def _ascii_host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()
