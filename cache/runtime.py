"""The composition root: what one worker process needs to serve, built once, after the fork."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from cache.access.keys import Keys
from cache.access.remembered import Remembered
from cache.config import Config, Proxy, capacity
from cache.contact import Contacts
from cache.memory import Memory
from cache.negatives import Negatives
from cache.oci.repository import Repository
from cache.shelf import Shelf
from cache.signals import Bell, RollCall
from cache.streaming.coalescer import Coalescer
from cache.streaming.flight import Flights, exclusive
from cache.streaming.room import Room
from cache.streaming.store import FileStore, Store
from cache.streaming.sweep import sweep_locks
from cache.tally import Tally
from cache.traffic import Traffic
from cache.upstream.client import Endpoint, Upstream
from cache.upstream.helper import Helper
from cache.version import VERSION

#: What the mirror calls itself at an upstream.
USER_AGENT = f"mirrorsite/{VERSION}"


#: A fill waits so long (seconds) for room on the disk; containerd waits 30 for its first byte.
_ROOM_PATIENCE = 8.0

#: A record that nobody has written anew for so long (seconds) means nothing any more.
_LONGEST_MEMORY = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that lives as long as the process. ``locks`` is a folder for lock files.

    ``bell`` wakes the janitor, wherever it is, and ``orders`` whoever works on what an operator has
    ordered; ``roll`` has all processes write down what was pulled. ``former`` are upstreams that
    are not configured any more: nobody can name one, and what was asked of one before is brought to
    its end.
    """

    config: Config
    room: Room
    store: Store
    coalescer: Coalescer
    flights: Flights
    upstreams: Mapping[str, Upstream]
    negatives: Negatives
    traffic: Traffic
    tally: Tally
    contacts: Contacts
    memory: Memory
    remembered: Remembered
    shelf: Shelf
    keys: Keys
    locks: Path
    bell: Bell
    roll: RollCall
    orders: Bell
    now: Callable[[], datetime]
    former: Mapping[str, tuple[Proxy, Upstream]] = field(default_factory=dict)

    def proxy_of(self, repository: Repository) -> Proxy:
        """What the operator set for the repository's upstream."""
        found = self.config.names.get(repository.upstream)
        return self.former[repository.upstream][0] if found is None else found

    def upstream_of(self, repository: Repository) -> Upstream:
        """The registry that has the repository; ``KeyError`` if it is not configured any more."""
        found = self.upstreams.get(repository.upstream)
        return self.former[repository.upstream][1] if found is None else found

    def close(self) -> None:
        """Close the connections to all upstreams, for good."""
        for upstream in self.upstreams.values():
            upstream.close()


def build(config: Config) -> Runtime:
    """A runtime of its own; raises ``OSError`` if the store's folders cannot be made."""
    bell = Bell(config.storage.root / "retention")
    room = _room(config, bell)
    store = FileStore(config.storage.root, room=room)
    memory, contacts = _memory(config), Contacts()
    return Runtime(
        config=config,
        room=room,
        store=store,
        coalescer=Coalescer(store),
        flights=Flights(),
        upstreams={
            proxy.name: _upstream(proxy.name, _endpoint(proxy), memory, contacts)
            for proxy in config.upstreams
        },
        negatives=Negatives(),
        traffic=Traffic(),
        tally=Tally(),
        contacts=contacts,
        memory=memory,
        remembered=Remembered(memory),
        shelf=Shelf(),
        keys=keys(config),
        locks=_locks(config),
        bell=bell,
        roll=RollCall(config.storage.root / "retention"),
        orders=Bell(config.storage.root / "orders"),
        now=lambda: datetime.now(UTC),
    )


def renew(config: Config) -> None:
    """Have this process go on with another configuration, of the same store and database.

    What is under way goes on: fills, the connections of upstreams, what is known of their quotas.
    """
    global _current  # noqa: PLW0603
    settings.MIRROR = config
    with _lock:
        if _current is not None:
            _current = _renewed(_current, config)


def _renewed(mirror: Runtime, config: Config) -> Runtime:
    upstreams: dict[str, Upstream] = {}
    for proxy in config.upstreams:
        endpoint, known = _endpoint(proxy), mirror.upstreams.get(proxy.name)
        # Other certificates may stand in the same files.
        is_same = known is not None and known.endpoint == endpoint and not endpoint.has_files
        upstreams[proxy.name] = (
            known
            if known and is_same
            else _upstream(proxy.name, endpoint, mirror.memory, mirror.contacts)
        )
    former = {name: one for name, one in mirror.former.items() if name not in upstreams}
    for proxy in mirror.config.upstreams:
        before = mirror.upstreams[proxy.name]
        if upstreams.get(proxy.name) is not before:
            before.retire()
            _retired.append(before)
        if proxy.name not in upstreams:
            former[proxy.name] = proxy, before
    mirror.room.reserve = config.retention.min_free.of
    if config.upstreams != mirror.config.upstreams:
        # Who may have what there, and what there is, is found out anew.
        mirror.remembered.changed()
        mirror = replace(mirror, negatives=Negatives())
    return replace(mirror, config=config, upstreams=upstreams, former=former)


def release_retired() -> None:
    """Close the connections of upstreams that were replaced, once nothing comes over them."""
    for upstream in list(_retired):
        if upstream.release():
            _retired.remove(upstream)


def reach(proxy: Proxy) -> Upstream:
    """An upstream apart from any mirror that runs, which shares nothing with it; to be closed."""
    return Upstream(_endpoint(proxy))


def _room(config: Config, bell: Bell) -> Room:
    """The store's disk, of which the operator wants some to stay free."""
    return Room(
        config.storage.root,
        config.retention.min_free.of,
        functools.partial(bell.ask, patience=_ROOM_PATIENCE),
    )


def _upstream(name: str, endpoint: Endpoint, memory: Memory, contacts: Contacts) -> Upstream:
    """One whose return is known at once, and not only to the next pull."""

    def returned() -> None:
        contacts.answered(name, time.time(), None)

    return Upstream(endpoint, memory, returned=returned)


def _endpoint(proxy: Proxy) -> Endpoint:
    # Connections are counted for all processes together: each has an equal part, and a pool for
    # questions and one for transfers in it.
    processes = capacity.workers(os.environ)
    return Endpoint(
        url=proxy.remoteurl,
        username=proxy.username or None,
        password=proxy.password or None,
        realms=proxy.auth_realm,
        helper=_helper(proxy),
        ca=proxy.ca,
        client_certificate=proxy.client_certificate,
        client_key=proxy.client_key,
        insecure_skip_verify=proxy.insecure_skip_verify,
        proxy=proxy.proxy or None,
        offline=proxy.offline,
        bandwidth=proxy.bandwidth,
        max_connections=max(1, proxy.max_connections // (2 * processes)),
        connect_timeout=proxy.connect_timeout.total_seconds(),
        first_byte_timeout=proxy.first_byte_timeout.total_seconds(),
        stall_timeout=proxy.stall_timeout.total_seconds(),
        user_agent=USER_AGENT,
        name=proxy.name,
    )


def _helper(proxy: Proxy) -> Helper | None:
    if proxy.exec is None:
        return None
    # docker login keeps Hub's credentials under this address, and others under the host.
    server = "https://index.docker.io/v1/" if proxy.is_hub else proxy.netloc
    lifetime = proxy.exec.lifetime
    return Helper(
        proxy.exec.command, server, None if lifetime is None else lifetime.total_seconds()
    )


def make_folders(config: Config) -> None:
    """Make the folders below the root that every process needs; raises ``OSError``."""
    FileStore(config.storage.root)
    _locks(config)


def sweep(config: Config) -> None:
    """Remove what killed processes left in the store's folders and nobody can use; ``OSError``."""
    FileStore(config.storage.root).sweep(time.time(), kept_parts(config))
    sweep_locks(_locks(config))
    _memory(config).sweep(before=time.time() - _LONGEST_MEMORY)


def is_running(config: Config) -> bool:
    """Whether a mirror with this root is alive, on this machine or where locks reach; `OSError`."""
    return RollCall(config.storage.root / "retention").is_anybody_there()


def keys(config: Config) -> Keys:
    """The keys that sign the tokens of this mirror's clients."""
    locks = config.storage.root / "locks"
    return Keys(config.storage.root / "token_keys.json", functools.partial(exclusive, locks))


def access_changed() -> None:
    """Have all processes of the mirror find out anew who may pull what."""
    if _current is not None:
        _current.remembered.changed()
    elif settings.MIRROR.storage.root.is_dir():
        Remembered(_memory(settings.MIRROR)).changed()


def content_removed() -> None:
    """Have no process give from its memory what the database does not hold any more."""
    access_changed()


def kept_parts(config: Config) -> float:
    """How long (seconds) the beginning of a blob is kept that nobody continues."""
    ttl = config.retention.part_ttl
    return math.inf if ttl is None else ttl.total_seconds()


def drain(timeout: float) -> None:
    """Give this process's fills ``timeout`` seconds to end."""
    if _current is not None:
        _current.coalescer.drain(timeout)


def _memory(config: Config) -> Memory:
    return Memory(config.storage.root / "memory", functools.partial(exclusive, _locks(config)))


def _locks(config: Config) -> Path:
    locks = config.storage.root / "locks"
    locks.mkdir(exist_ok=True, mode=0o700)
    return locks


_lock = threading.Lock()
_retired: list[Upstream] = []
_current: Runtime | None = None


def current() -> Runtime:
    """This process's runtime, built at the first request and not before a fork."""
    global _current  # noqa: PLW0603 - the process has one, and it is set in this file only
    if _current is None:
        with _lock:
            if _current is None:
                _current = build(settings.MIRROR)
    return _current


@contextmanager
def using(runtime: Runtime) -> Iterator[Runtime]:
    """Have ``runtime`` be the current one while the block runs: for what brings its own."""
    global _current  # noqa: PLW0603
    before, _current = _current, runtime
    try:
        yield runtime
    finally:
        _current = before
