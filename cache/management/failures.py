"""What may fail under any command, told in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

#: Exit code: it could not be done.
CANNOT = 2


@contextmanager
def told() -> Iterator[None]:
    """Around a command's work: the database's and the store's failures become ``CommandError``."""
    try:
        yield
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        raise CommandError(f"the database failed: {reason}", returncode=CANNOT) from None
    except OSError as error:
        raise CommandError(f"the store failed: {error}", returncode=CANNOT) from None
