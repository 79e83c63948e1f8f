"""What the commands of retention have in common: who runs them, what can go wrong, how it reads."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from cache import retention, runtime
from cache.config.document import Scalar
from cache.config.values import Refused
from cache.management import failures
from cache.management.streams import OutputEnded
from cache.oci.selection import Selection
from cache.retention import Image, LoneBlob, Removed, name_of, readable

T = TypeVar("T")

#: Exit codes: what was named is not there; it could not be done.
NOTHING = 1
CANNOT = 2


@contextmanager
def told() -> Iterator[None]:
    """Around a command's work: what prevents it is told in a sentence."""
    if not (settings.MIRROR.storage.root / "blobs").is_dir():
        message = f"there is no store in {settings.MIRROR.storage.root}"
        raise CommandError(message, returncode=CANNOT)
    try:
        with failures.told():
            yield
    except (retention.Busy, retention.NotTaken) as error:
        raise CommandError(str(error), returncode=CANNOT) from None


def say(output: OutputWrapper, line: str) -> None:
    """Print a line of work that goes on though nobody reads any more, or the output's disk is full.

    What is printed after that goes nowhere.
    """
    with suppress(OutputEnded):
        output.write(line)
        output.flush()


def who() -> str:
    """The operator who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def option(read: Callable[[Scalar], T]) -> Callable[[str], T]:
    """An option's value, read as the configuration's is."""

    def parsed(text: str) -> T:
        try:
            return read(Scalar(text))
        except Refused as refused:
            message = f"found {text!r}; allowed {refused.allowed}"
            raise argparse.ArgumentTypeError(message) from None

    return parsed


def selected(text: str) -> Selection:
    """What an operator names on the command line."""
    try:
        return Selection.parse(text)
    except ValueError as error:
        message = (
            f"found {text!r}, which is no REPOSITORY, REPOSITORY:TAG, REPOSITORY@DIGEST or DIGEST "
            f"({error})"
        )
        raise argparse.ArgumentTypeError(message) from None


def title(subject: Image | LoneBlob) -> str:
    """What it is called."""
    default = runtime.current().config.proxy.name
    if isinstance(subject, Image):
        return name_of(subject, default)
    places = [
        name if upstream == default else f"{upstream}/{name}"
        for upstream, name in subject.repositories
    ]
    return f"{places[0]} blob {subject.digest}" if places else f"blob {subject.digest}"


def line(removed: Removed) -> str:
    """`library/node:20 — 1.2 GiB — last pulled 9 days ago, ttl 7 d`."""
    unit = removed.unit
    return f"{title(unit.subject)} — {readable(removed.size)} — {unit.detail}"


def facts(removed: Removed) -> dict[str, Any]:
    """The same for programs."""
    subject = removed.unit.subject
    is_image = isinstance(subject, Image)
    return {
        "kind": "image" if is_image else "blob",
        "name": title(subject),
        "digest": subject.digest,
        "tags": sorted(subject.tags) if isinstance(subject, Image) else [],
        "size": removed.size,
        "blobs": removed.blobs,
        "reason": str(removed.unit.reason),
        "detail": removed.unit.detail,
        "last_pulled": subject.pulled_at.isoformat(),
    }


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}{'s' * (count != 1)}"
