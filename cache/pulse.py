"""What each process shows of itself, every second, so that any one can show them all.

A process cannot look into another: each writes how its fills and its upstreams stand to a file of
its own in one folder. A file that has not been renewed is of a process that has ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LARGEST_FILE = 256 * 1024

#: Seconds after which a process that has written nothing is not there any more.
GONE_AFTER = 15.0

#: A wish to cancel that nobody followed for so long (seconds) is over.
_WISH_ENDS = 10.0

_CANCEL = ".cancel"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A fill as one process sees it; see :class:`cache.streaming.fill.FillState`.

    ``speed`` is in bytes per second; ``ended_at`` (epoch seconds) is None while it goes on.
    """

    digest: str
    origin: str
    size: int | None
    arrived: int
    readers: int
    started_at: float
    fetches: bool
    answers: int
    problem: str | None
    speed: float = 0.0
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """One process at ``at`` (epoch seconds): its fills, how upstreams answer it, who pulled last.

    ``upstreams`` has the fields of :class:`cache.contact.Contact`, and whether this process leaves
    it alone for now (`is_left_alone`); ``pulls`` those of :class:`cache.tally.Pull` with the moment
    in epoch seconds.
    """

    at: float
    process: int
    transfers: tuple[Transfer, ...] = ()
    ended: tuple[Transfer, ...] = ()
    upstreams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pulls: tuple[Mapping[str, Any], ...] = ()

    def is_alive(self, now: float) -> bool:
        """Whether the process wrote it a moment ago."""
        return now - self.at < GONE_AFTER


def write(folder: Path, pulse: Pulse) -> None:
    """Replace this process's file; raises ``OSError``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{os.getpid()}.json"
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(pulse), file)
    draft.replace(path)


def read(folder: Path) -> list[Pulse]:
    """All processes that are or were there, the latest first."""
    pulses = [pulse for path in _files(folder, ".json") if (pulse := _load(path)) is not None]
    return sorted(pulses, key=lambda pulse: -pulse.at)


def sweep(folder: Path, keep: int = 20) -> None:
    """Remove all but the newest files."""
    with suppress(OSError):
        files = sorted(_files(folder, ".json"), key=lambda path: -path.stat().st_mtime)
        for path in files[keep:]:
            path.unlink(missing_ok=True)


def wish_cancel(folder: Path, digest: str, now: float) -> None:
    """Ask whichever process fetches the blob to stop; raises ``OSError``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{digest.replace(':', '-')}{_CANCEL}"
    path.write_text(str(now), encoding="ascii")


def wished_cancels(folder: Path, now: float) -> Iterator[str]:
    """The digests of which somebody wants no more; old wishes are removed."""
    for path in _files(folder, _CANCEL):
        with suppress(OSError):
            if now - path.stat().st_mtime > _WISH_ENDS:
                path.unlink(missing_ok=True)
            else:
                yield path.name.removesuffix(_CANCEL).replace("-", ":", 1)


def forget_cancel(folder: Path, digest: str) -> None:
    """The wish was followed."""
    with suppress(OSError):
        (folder / f"{digest.replace(':', '-')}{_CANCEL}").unlink(missing_ok=True)


def folder_of(root: Path) -> Path:
    """Where the processes of the mirror with that root folder show themselves."""
    return root / "pulse"


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == suffix]
    except OSError:
        return []


def _load(path: Path) -> Pulse | None:
    try:
        with path.open("rb") as file:
            held = json.loads(file.read(LARGEST_FILE))
        return Pulse(
            at=held["at"],
            process=held["process"],
            transfers=tuple(Transfer(**one) for one in held["transfers"]),
            ended=tuple(Transfer(**one) for one in held["ended"]),
            upstreams=held["upstreams"],
            pulls=tuple(held["pulls"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
