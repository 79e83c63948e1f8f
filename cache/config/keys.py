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
    item: Key


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys the operator chooses."""

    item: Key


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known keys. With `shorthand`, a lone word stands for that key, empty."""

    keys: Mapping[str, Key]
    shorthand: bool = False


Key: TypeAlias = "Ignored | Text | ListOf | MapOf | Section"

TEXT: Final = Text()
ONLY_FILES: Final = Ignored("only the file system store exists; set storage.filesystem")
READ_ONLY: Final = Ignored("clients can only pull here")
OWN_INDEX: Final = Ignored("the mirror keeps what it knows of blobs in its own database")

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
        "auth": Ignored("the mirror does not ask its clients who they are"),
        "middleware": Ignored("there are no middlewares to load"),
        "reporting": Ignored("no error reporting service is called"),
        "http": Section(
            {
                "addr": TEXT,
                "draintimeout": TEXT,
                "headers": MapOf(ListOf(TEXT)),
                "idle_timeout": TEXT,
                "tls": Section(
                    {
                        "certificate": TEXT,
                        "key": TEXT,
                        "clientcas": ListOf(TEXT),
                        "clientauth": Ignored("with clientcas, a valid certificate is required"),
                        "ciphersuites": Ignored("the system's OpenSSL chooses the cipher suites"),
                        "minimumtls": Ignored("the lowest version is the system OpenSSL's"),
                        "letsencrypt": Ignored(
                            "certificates are not fetched; set http.tls.certificate and "
                            "http.tls.key, without which the mirror speaks plain HTTP"
                        ),
                    }
                ),
                "debug": Ignored("there is no debug listener"),
                "h2c": Ignored("the mirror speaks HTTP/1.1"),
                "host": Ignored("no answer of the mirror names its own address"),
                "http2": Ignored("the mirror speaks HTTP/1.1"),
                "net": Ignored("the mirror listens on TCP"),
                "prefix": Ignored("the mirror answers at /v2/; strip a prefix in front of it"),
                "relativeurls": Ignored("no answer of the mirror names its own address"),
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
                "remoteurl": TEXT,
                "username": TEXT,
                "password": TEXT,
                "ttl": TEXT,
                "freshness": TEXT,
                "on_deleted": TEXT,
                "negative_ttl": TEXT,
                "connect_timeout": TEXT,
                "first_byte_timeout": TEXT,
                "stall_timeout": TEXT,
                "exec": Ignored("set proxy.username and proxy.password"),
                "remotenamespace": Ignored("repositories have the names that upstream gives them"),
            }
        ),
    }
)
