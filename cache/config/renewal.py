"""What of a configuration that was read again can come into force while the mirror runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cache.config.shape import Config


def renewed(old: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration to go on with, and the keys that take a restart to be as in ``new``.

    Those are what the listener, the store and the database were opened with, and what the server
    and the scrub were started with.
    """
    fixed = {
        "storage.filesystem.rootdirectory": old.storage.root != new.storage.root,
        "storage.scrub": old.storage.scrub != new.storage.scrub,
        "http.addr": old.http.addr != new.http.addr,
        "http.tls": old.http.tls != new.http.tls,
        "http.idle_timeout": old.http.idle_timeout != new.http.idle_timeout,
        "http.debug": old.http.metrics != new.http.metrics,
        "http.draintimeout": old.http.draintimeout != new.http.draintimeout,
        "DATABASE_URL": old.database_url != new.database_url,
    }
    http = replace(
        new.http,
        addr=old.http.addr,
        tls=old.http.tls,
        idle_timeout=old.http.idle_timeout,
        draintimeout=old.http.draintimeout,
        metrics=old.http.metrics,
    )
    storage = replace(new.storage, root=old.storage.root, scrub=old.storage.scrub)
    config = replace(new, storage=storage, http=http, database_url=old.database_url)
    return config, tuple(key for key, differs in fixed.items() if differs)


def differences(old: Config, new: Config) -> tuple[str, ...]:
    """The sections in which the two differ, as they are called in the file."""
    before, after = _sections(old), _sections(new)
    return tuple(name for name in after if before[name] != after[name])


def _sections(config: Config) -> dict[str, object]:
    return {
        "log": config.log,
        "http": config.http,
        "access": config.access,
        "storage": config.storage,
        "proxy": config.proxy,
        "upstreams": config.others,
        "retention": config.retention,
    }
