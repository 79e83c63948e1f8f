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
class Storage:
    """Where the mirror keeps everything: an absolute folder, which need not exist yet."""

    root: Path
    delete_enabled: bool = False


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
    """The listener; `headers` are added to every answer, each with all of its values."""

    addr: Address = Address("", 5000)
    tls: Tls | None = None
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The upstream, and how long what it gave is kept and trusted.

    `remoteurl` is scheme and host without a trailing slash. `ttl` is how long content is kept
    after its last pull (None: for ever); `freshness` how long a tag's answer is trusted.
    """

    remoteurl: str = HUB_URL
    username: str = ""
    password: str = field(default="", repr=False)
    ttl: timedelta | None = DEFAULT_TTL
    freshness: timedelta = timedelta(0)


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
