"""Every key that a configuration may hold: distribution's `config.yml` (2.x and 3.x) and ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key of distribution's that means nothing here; `answer` says why, or what to do instead."""

    answer: str


@dataclass(frozen=True, slots=True)
class Text:
    """A key whose value is one scalar."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """With `lone`, a value that is no list stands for one of it. `least` is how many it needs."""

    item: Key
    lone: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys the operator chooses. With `lone`, a single value may stand there."""

    item: Key
    lone: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known keys. With `shorthand`, a lone word stands for that key, empty."""

    keys: Mapping[str, Key]
    shorthand: bool = False


Key: TypeAlias = "Ignored | Text | ListOf | MapOf | Section"

TEXT: Final = Text()
ONE_OR_MORE: Final = ListOf(TEXT, lone=True)
ONLY_FILES: Final = Ignored("only the file system store exists; set storage.filesystem")
READ_ONLY: Final = Ignored("clients can only pull here")
OWN_INDEX: Final = Ignored("the mirror keeps what it knows of blobs in its own database")

#: What can be said of any upstream.
UPSTREAM: Final[Mapping[str, Key]] = {
    "remoteurl": TEXT,
    "username": TEXT,
    "username_file": TEXT,
    "password": TEXT,
    "password_file": TEXT,
    "exec": Section({"command": TEXT, "lifetime": TEXT}),
    "auth_realm": ONE_OR_MORE,
    "ca": TEXT,
    "client_certificate": TEXT,
    "client_key": TEXT,
    "insecure_skip_verify": TEXT,
    "proxy": TEXT,
    "connect_timeout": TEXT,
    "first_byte_timeout": TEXT,
    "stall_timeout": TEXT,
    "max_connections": TEXT,
    "bandwidth": TEXT,
    # An empty list that lets nothing in and no list, which lets all in, look alike: it is refused.
    "allow": ListOf(TEXT, lone=True, least=1),
    "deny": ONE_OR_MORE,
    "offline": TEXT,
    "freshness": MapOf(TEXT, lone=True),
    "on_deleted": TEXT,
    "negative_ttl": TEXT,
    "quota_reserve": TEXT,
    "quota_freshness": TEXT,
}

SCHEMA: Final = Section(
    {
        "version": TEXT,
        "log": Section(
            {
                "level": TEXT,
                "formatter": TEXT,
                "fields": MapOf(TEXT),
                "accesslog": Ignored("requests are logged when log.level is debug"),
                "hooks": Ignored("there are no log hooks; watch the log itself"),
                "reportcaller": Ignored("log lines name their logger instead"),
            }
        ),
        "loglevel": Ignored("set log.level"),
        "storage": Section(
            {
                "filesystem": Section(
                    {
                        "rootdirectory": TEXT,
                        "maxthreads": Ignored("MIRROR_THREADS bounds the threads of a worker"),
                    }
                ),
                "delete": Section({"enabled": TEXT}),
                "scrub": Section({"interval": TEXT, "rate": TEXT}),
                "azure": ONLY_FILES,
                "gcs": ONLY_FILES,
                "inmemory": ONLY_FILES,
                "oss": ONLY_FILES,
                "rados": ONLY_FILES,
                "s3": ONLY_FILES,
                "swift": ONLY_FILES,
                "cache": OWN_INDEX,
                "maintenance": READ_ONLY,
                "redirect": Ignored("blobs are always sent by the mirror itself"),
                "tag": Ignored("tags are looked up in the mirror's own database"),
            },
            shorthand=True,
        ),
        "auth": Ignored("users sign in with the mirror's own accounts; see access"),
        "access": Section(
            {
                "anonymous": TEXT,
                "visibility_ttl": TEXT,
                "token_lifetime": TEXT,
                "refresh_lifetime": TEXT,
                "certificate_user": TEXT,
                "identity_header": TEXT,
            }
        ),
        "middleware": Ignored("there are no middlewares to load"),
        "reporting": Ignored("no error reporting service is called"),
        "http": Section(
            {
                "addr": TEXT,
                "draintimeout": TEXT,
                "headers": MapOf(ListOf(TEXT)),
                "idle_timeout": TEXT,
                "trusted_proxies": ONE_OR_MORE,
                "tls": Section(
                    {
                        "certificate": TEXT,
                        "key": TEXT,
                        "clientcas": ListOf(TEXT),
                        "clientauth": TEXT,
                        "ciphersuites": Ignored("the system's OpenSSL chooses the cipher suites"),
                        "minimumtls": Ignored("the lowest version is the system OpenSSL's"),
                        "letsencrypt": Ignored(
                            "certificates are not fetched; set http.tls.certificate and "
                            "http.tls.key, without which the mirror speaks plain HTTP"
                        ),
                    }
                ),
                "debug": Section(
                    {
                        "addr": TEXT,
                        "prometheus": Section(
                            {"enabled": TEXT, "path": TEXT, "token": TEXT, "token_file": TEXT}
                        ),
                    }
                ),
                "h2c": Ignored("the mirror speaks HTTP/1.1"),
                "host": Ignored("the mirror names itself as its clients do"),
                "http2": Ignored("the mirror speaks HTTP/1.1"),
                "net": Ignored("the mirror listens on TCP"),
                "prefix": Ignored("the mirror answers at /v2/; strip a prefix in front of it"),
                "relativeurls": Ignored("the mirror names itself as its clients do"),
                "secret": READ_ONLY,
            }
        ),
        "notifications": Ignored("no events are sent"),
        "redis": OWN_INDEX,
        "health": Ignored("there are no health checks to configure"),
        "catalog": Ignored("a page of /v2/_catalog has the size that the client asks for, bounded"),
        "compatibility": Ignored("manifests of every kind are passed on as upstream has them"),
        "validation": Ignored("clients can only pull here, so no manifest needs validation"),
        "policy": READ_ONLY,
        "proxy": Section(
            {
                **UPSTREAM,
                "ttl": TEXT,
                "remotenamespace": Ignored("repositories have the names that upstream gives them"),
            }
        ),
        "upstreams": MapOf(Section(UPSTREAM)),
        "retention": Section(
            {
                "max_size": TEXT,
                "min_free": TEXT,
                "keep": ONE_OR_MORE,
                "part_ttl": TEXT,
                "upstreams": MapOf(Section({"ttl": TEXT})),
            }
        ),
    }
)
