"""What a configuration is, once it has been read: plain frozen values that other rooms take."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Level = Literal["debug", "info", "warn", "error"]
Formatter = Literal["text", "json"]
OnDeleted = Literal["keep", "drop"]

HUB_URL = "https://registry-1.docker.io"
HUB_HOSTS = frozenset({"registry-1.docker.io", "docker.io", "index.docker.io"})
DEFAULT_TTL = timedelta(hours=168)


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Log:
    """How the mirror logs; `fields` are added to every line."""

    level: Level = "info"
    formatter: Formatter = "text"
    fields: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Scrub:
    """The whole store is read again once per `interval` (0: never), at `rate` bytes per second."""

    interval: timedelta = timedelta(hours=168)
    rate: int = 20 * 1024**2


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
    """PEM files, absolute. With `clientcas`, only clients that one of them signed may connect."""

    certificate: Path
    key: Path
    clientcas: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Http:
    """The listener; `headers` are added to every answer, each with all of its values.

    A client that takes no byte of an answer for `idle_timeout` (above 0) is dropped, and so is
    one whose request's head takes longer than that to arrive. At a stop, the requests under way
    have `draintimeout` to end.
    """

    addr: Address = Address("", 5000)
    tls: Tls | None = None
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)
    idle_timeout: timedelta = timedelta(seconds=60)
    draintimeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The upstream, and how long what it gave is kept and trusted.

    `remoteurl` is scheme and host without a trailing slash. `ttl` is how long content is kept
    after its last pull (None: for ever); `freshness` how long a tag's answer is trusted.
    `on_deleted` is what becomes of a tag that upstream no longer has; `negative_ttl` how long a
    404 of upstream is believed. The timeouts end the wait for a connection, for an answer's first
    byte, and for the next piece of its body.
    """

    remoteurl: str = HUB_URL
    username: str = ""
    password: str = field(default="", repr=False)
    ttl: timedelta | None = DEFAULT_TTL
    freshness: timedelta = timedelta(0)
    on_deleted: OnDeleted = "drop"
    negative_ttl: timedelta = timedelta(seconds=10)
    connect_timeout: timedelta = timedelta(seconds=10)
    first_byte_timeout: timedelta = timedelta(seconds=10)
    stall_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Config:
    """All that an operator may set. `warnings` are sentences to print at the start."""

    storage: Storage
    log: Log = Log()
    http: Http = Http()
    proxy: Proxy = Proxy()
    database_url: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def upstream_name(self) -> str:
        """How clients name the upstream: `docker.io` for Hub, else its `host[:port]`."""
        netloc = urlsplit(self.proxy.remoteurl).netloc.lower()
        host, _, port = netloc.partition(":")
        return "docker.io" if host in HUB_HOSTS and port in ("", "443") else netloc

    @property
    def is_hub(self) -> bool:
        """Whether the upstream is Docker Hub, where a one-part name means `library/<name>`."""
        return self.upstream_name == "docker.io"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` names every mistake found, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
