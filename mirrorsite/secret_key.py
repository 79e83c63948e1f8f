"""Django's secret key: made once, kept beside the data that it protects."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from django.utils.functional import SimpleLazyObject

from cache.private_file import drafted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "secret_key"
VARIABLE = "MIRROR_SECRET_KEY"
LONGEST = 4096


def secret_key(root: Path, environ: Mapping[str, str]) -> str:
    """The key from `MIRROR_SECRET_KEY`, else the one kept in `root`.

    Reading and making the file waits until something signs: importing the settings must not
    create folders.
    """
    given = environ.get(VARIABLE)
    return given or SimpleLazyObject(lambda: read_or_create(root / FILE_NAME))  # type: ignore[return-value]


def read_or_create(path: Path) -> str:
    """The key in `path`; a new random one when there is none. Safe to race: one key wins."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path, secrets.token_urlsafe(64)) as draft, contextlib.suppress(FileExistsError):
        # A link, unlike a rename, never replaces a key that another process made meanwhile.
        os.link(draft, path)
    return _read(path)


def _read(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        return file.read(LONGEST).strip()
