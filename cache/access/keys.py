"""The keys that sign the mirror's tokens: made at the first need, kept, replaced with a delay.

They stand in one file that only the mirror's own user can read. The newest key signs; the older
ones still verify what they signed, until that would have expired anyway.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cache.private_file import drafted

_LARGEST = 64 * 1024
_SECRET_BYTES = 32
_PATIENCE = 10.0


class KeysUnusable(OSError):
    """The file is there and is not what this room writes. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Key:
    """A secret, its name in a token's head, and since when there is a newer one (None: newest)."""

    kid: str
    secret: bytes = field(repr=False)
    replaced_at: datetime | None = None


class Keys:
    """The keys in ``path``, as they are now, whoever has rotated them. Thread-safe.

    ``exclusive`` holds the file against other processes for a block. Methods raise ``OSError``.
    """

    def __init__(
        self, path: Path, exclusive: Callable[[str, float], AbstractContextManager[bool]]
    ) -> None:
        self._path = path
        self._exclusive = exclusive
        self._lock = threading.Lock()
        self._seen: tuple[tuple[int, int], tuple[Key, ...]] | None = None

    def signing(self) -> Key:
        """The key to sign with."""
        return self._keys()[-1]

    def find(self, kid: str) -> Key | None:
        """The key of that name, if it still verifies."""
        return next((key for key in self._keys() if key.kid == kid), None)

    def rotate(self, now: datetime, keep: timedelta) -> int:
        """Sign with a new key from now on; how many older ones still verify.

        A key that was replaced longer than ``keep`` ago is forgotten; 0 forgets all of them.
        """
        with self._exclusive("token keys", _PATIENCE):
            older = [
                key if key.replaced_at else Key(key.kid, key.secret, now)
                for key in self._read_if_any()
            ]
            older = [key for key in older if key.replaced_at and now - key.replaced_at < keep]
            self._write([*older, _new()])
        return len(older)

    def _keys(self) -> tuple[Key, ...]:
        stamp = self._stamp()
        with self._lock:
            if stamp is not None and self._seen is not None and self._seen[0] == stamp:
                return self._seen[1]
        if stamp is None:
            with self._exclusive("token keys", _PATIENCE):
                # Another process may have been first.
                if self._stamp() is None:
                    self._write([_new()])
            stamp = self._stamp() or (0, 0)
        keys = self._read_if_any()
        if not keys:
            raise KeysUnusable(f"there is no key in {self._path}: remove it, or run rotate_keys")
        with self._lock:
            self._seen = (stamp, keys)
        return keys

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _read_if_any(self) -> tuple[Key, ...]:
        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST)
        except FileNotFoundError:
            return ()
        try:
            return tuple(
                Key(
                    str(entry["kid"]),
                    bytes.fromhex(entry["secret"]),
                    _moment(entry.get("replaced_at")),
                )
                for entry in json.loads(content)["keys"]
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise KeysUnusable(
                f"{self._path} holds no keys that can be read: remove it, and all have to sign in "
                "again"
            ) from error

    def _write(self, keys: list[Key]) -> None:
        entries = [
            {
                "kid": key.kid,
                "secret": key.secret.hex(),
                "replaced_at": key.replaced_at.isoformat() if key.replaced_at else None,
            }
            for key in keys
        ]
        with drafted(self._path, json.dumps({"keys": entries})) as draft:
            draft.replace(self._path)


def _new() -> Key:
    return Key(secrets.token_hex(8), secrets.token_bytes(_SECRET_BYTES))


def _moment(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))
