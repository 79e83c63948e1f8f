"""What a configuration is, once it has been read: plain frozen values that other rooms take."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from cache.freshness import Windows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cache.oci.pattern import Pattern
    from cache.oci.selection import Selection

Level = Literal["debug", "info", "warn", "error"]
Formatter = Literal["text", "json"]
OnDeleted = Literal["keep", "drop"]
AnonymousPolicy = Literal["public", "none"]
CertificateName = Literal["cn", "email", "dns", "uri"]
ClientAuth = Literal["require-and-verify-client-cert", "verify-client-cert-if-given"]
Network = IPv4Network | IPv6Network

HUB_URL = "https://registry-1.docker.io"
HUB_HOSTS = frozenset({"registry-1.docker.io", "docker.io", "index.docker.io"})
DEFAULT_TTL = timedelta(hours=168)


@functools.lru_cache
def _netloc(url: str) -> str:
    return urlsplit(url).netloc.lower()


@functools.lru_cache
def _is_at_hub(url: str) -> bool:
    host, _, port = _netloc(url).partition(":")
    return host in HUB_HOSTS and port in ("", "443")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Log:
    """How the mirror logs; `fields` are added to every line, `requests`: one line for each."""

    level: Level = "info"
    formatter: Formatter = "text"
    requests: bool = True
    fields: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Scrub:
    """The whole store is read again once per `interval` (0: never), at `rate` bytes per second."""

    interval: timedelta = timedelta(hours=168)
    rate: int = 20 * 1024**2


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is to stay free of a file system: `size` bytes, or a `share` (0 to 1) of the whole."""

    size: int = 0
    share: float = 0.0

    def of(self, total: int) -> int:
        """In bytes, of a file system of `total` bytes."""
        return max(self.size, int(self.share * total))

    def __str__(self) -> str:
        return f"{self.share:.4g} of the file system" if self.share else f"{self.size} bytes"


@dataclass(frozen=True, slots=True)
class Retention:
    """What goes when. How long content is kept after its last pull is `Proxy.ttl`.

    max_size: of all blobs together, in bytes (None: no bound). min_free: of the store's file
    system. keep: what is never evicted. part_ttl: how long the beginning of a blob is kept that
    nobody continues (None: for ever).
    """

    max_size: int | None = None
    min_free: Reserve = Reserve(share=0.01)
    keep: tuple[Selection, ...] = ()
    part_ttl: timedelta | None = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the mirror keeps everything: an absolute folder, which need not exist yet."""

    root: Path
    delete_enabled: bool = False
    scrub: Scrub = Scrub()


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty `host` is every interface; an IPv6 `host` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, absolute. `clientcas` sign the certificates of clients.

    With one of them, `clientauth` says whether a client without a certificate may connect.
    """

    certificate: Path
    key: Path
    clientcas: tuple[Path, ...] = ()
    clientauth: ClientAuth = "require-and-verify-client-cert"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where Prometheus may read what the mirror counts; nowhere, unless `enabled`.

    addr: an address of its own, which is all that answers there; None: among the other paths.
    token: whoever reads has to show it; empty: nobody has to.
    """

    enabled: bool = False
    addr: Address | None = None
    path: str = "/metrics"
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Http:
    """The listener; `headers` are added to every answer, each with all of its values.

    A client that takes no byte of an answer for `idle_timeout` (above 0) is dropped, and so is
    one whose request's head takes longer than that to arrive. At a stop, the requests under way
    have `draintimeout` to end. What `trusted_proxies` say of their clients is believed. They may
    send the store's blobs themselves, which are below `accel_prefix` there (empty: they may not).
    """

    addr: Address = Address("", 5000)
    tls: Tls | None = None
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    idle_timeout: timedelta = timedelta(seconds=60)
    draintimeout: timedelta = timedelta(seconds=30)
    trusted_proxies: tuple[Network, ...] = ()
    accel_prefix: str = ""
    metrics: Metrics = Metrics()


@dataclass(frozen=True, slots=True)
class Access:
    """Who may pull what.

    anonymous: whether clients that do not sign in get public content (`public`) or none.
    visibility_ttl: how long upstream is believed to go on treating anonymous clients as it did.
    token_lifetime, refresh_lifetime: of the tokens that clients get when they sign in, for pulls
      and in place of a password.
    certificate_user: what of a client's certificate is the user's name.
    identity_header: in which header a trusted proxy names the client; empty: in none.
    """

    anonymous: AnonymousPolicy = "public"
    visibility_ttl: timedelta = timedelta(hours=24)
    token_lifetime: timedelta = timedelta(minutes=5)
    refresh_lifetime: timedelta = timedelta(hours=720)
    certificate_user: CertificateName = "cn"
    identity_header: str = ""


@dataclass(frozen=True, slots=True)
class Exec:
    """A Docker credential helper: a program that `get` makes print a user name and a secret.

    `command` is its absolute path. What it said is used for `lifetime` (0: once, None: until
    upstream refuses it).
    """

    command: str
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """An upstream: how it is reached, who we are there, and how far its answers are trusted.

    registry: the registry that clients name, such as `ghcr.io`; empty: what `remoteurl` says.
    remoteurl: scheme and host without a trailing slash.
    username, password: what we sign in with; the user `<token>` has an identity token (OAuth2)
      as its password. `exec` names a program to ask for both.
    auth_realm: further hosts (`host[:port]`, lower case) of token servers that may be sent the
      password.
    ca, client_certificate, client_key: PEM files. `ca` is trusted besides the system's.
    proxy: the address of an egress proxy, perhaps with a user; empty: what the environment says.
    connect_timeout, first_byte_timeout, stall_timeout: end the wait for a connection, for an
      answer's first byte, and for the next piece of its body.
    max_connections: of all the mirror's processes together.
    bandwidth: bytes per second of all transfers together (None: no bound).
    allow, deny: which repositories may be pulled: those that `allow` (if there is any) names and
      `deny` does not. Patterns are of names without the registry, with Hub's `library/`.
    offline: upstream is never asked.
    ttl: how long content is kept after its last pull (None: for ever).
    freshness: how long a tag's answer is trusted. on_deleted: what becomes of a tag that upstream
      no longer has. negative_ttl: how long a 404 of upstream is believed.
    quota_reserve: the share (0 to 1) of upstream's quota below which a tag that was checked
      within `quota_freshness` is not checked again.
    """

    registry: str = ""
    remoteurl: str = HUB_URL
    username: str = ""
    password: str = field(default="", repr=False)
    exec: Exec | None = None
    auth_realm: tuple[str, ...] = ()
    ca: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    insecure_skip_verify: bool = False
    proxy: str = field(default="", repr=False)
    connect_timeout: timedelta = timedelta(seconds=10)
    first_byte_timeout: timedelta = timedelta(seconds=10)
    stall_timeout: timedelta = timedelta(seconds=30)
    max_connections: int = 256
    bandwidth: int | None = None
    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    offline: bool = False
    ttl: timedelta | None = DEFAULT_TTL
    freshness: Windows = field(default_factory=Windows)
    on_deleted: OnDeleted = "drop"
    negative_ttl: timedelta = timedelta(seconds=10)
    quota_reserve: float = 0.1
    quota_freshness: timedelta = timedelta(hours=24)

    @property
    def name(self) -> str:
        """How it is called here: `docker.io` for Hub, the client's word for any other."""
        return self.registry or ("docker.io" if self.is_hub else self.netloc)

    @property
    def netloc(self) -> str:
        """`host[:port]` of its address, in lower case."""
        return _netloc(self.remoteurl)

    @property
    def has_credentials(self) -> bool:
        """Whether upstream may know who we are, and give us what it gives to no stranger."""
        return bool(self.username or self.exec or self.client_certificate)

    @property
    def is_hub(self) -> bool:
        """Whether it is Docker Hub, where a one-part name means `library/<name>`."""
        return self.registry == "docker.io" or _is_at_hub(self.remoteurl)


@dataclass(frozen=True, slots=True)
class Config:
    """All that an operator may set. `warnings` are sentences to print at the start.

    `proxy` is the default upstream, `others` those that clients have to name; `names` has each of
    them under every word that clients may use for it. What `registry` says goes before what
    `remoteurl` says, and the default upstream before the others.
    """

    storage: Storage
    log: Log = Log()
    http: Http = Http()
    access: Access = Access()
    proxy: Proxy = Proxy()
    others: tuple[Proxy, ...] = ()
    retention: Retention = Retention()
    database_url: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    names: Mapping[str, Proxy] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A daemon's mirror stands for Docker Hub, whatever upstream it has, unless told otherwise.
        names = dict.fromkeys(HUB_HOSTS, self.proxy)
        for upstream in reversed(self.upstreams):
            hosts = HUB_HOSTS if upstream.is_hub else ()
            names.update(dict.fromkeys((*hosts, upstream.netloc), upstream))
        names.update({upstream.name: upstream for upstream in self.upstreams})
        object.__setattr__(self, "names", MappingProxyType(names))

    @property
    def upstreams(self) -> tuple[Proxy, ...]:
        """All of them, the default one first."""
        return (self.proxy, *self.others)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` names every mistake found, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
