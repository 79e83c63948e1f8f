"""What a parser makes of a text: a value or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cache.oci.errors import RegistryError

T = TypeVar("T")


def outcome(read: Callable[[], T]) -> T | RegistryError:
    """The value that `read` returns, or the refusal that it raises."""
    try:
        return read()
    except RegistryError as refused:
        return refused
