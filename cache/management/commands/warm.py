"""`manage.py warm`: have images here before anyone asks for them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from cache import upkeep, warm
from cache.management import failures
from cache.management.board import Board
from cache.management.commands.serve import as_a_step, prepare_database, prepare_root
from cache.management.explained import explain
from cache.oci.errors import RegistryError
from cache.retention import readable
from cache.warm import Overview, Request, Skipped, Standing, State, Unreadable, Wish

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from cache.config import Config
    from cache.warm import Found

ALL_HERE = 0
SOME_MISSING = 1
CANNOT = 2

DEFAULT_JOBS = 4
MOST_JOBS = 64
DEFAULT_PLATFORM = "linux/amd64"


class Command(BaseCommand):
    help = (
        "Fetch images into the mirror before anyone asks for them. What is here already is not "
        "fetched, and what the running mirror is fetching is not fetched again. Stop it with "
        "Ctrl-C: the next call goes on from there."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "warm busybox:1.36 ghcr.io/owner/image:v2",
            "warm --from compose.yml --dry-run",
            "warm --from images.txt --platform linux/amd64,linux/arm64 --json",
            codes={
                ALL_HERE: "all images are here, or priced",
                SOME_MISSING: "some are not",
                CANNOT: "it could not begin",
            },
        )
        parser.add_argument(
            "images", nargs="*", metavar="IMAGE", help="an image as Docker names it"
        )
        parser.add_argument(
            "--from",
            dest="files",
            action="append",
            default=[],
            metavar="FILE",
            help="a file that names images: a list, a compose file, Kubernetes manifests or a "
            "Dockerfile; - is the standard input; may be given several times",
        )
        parser.add_argument(
            "--platform",
            type=_platforms,
            default=DEFAULT_PLATFORM,
            help="what to take of images for several platforms, separated by commas, or all "
            f"({DEFAULT_PLATFORM})",
        )
        parser.add_argument(
            "--attestations", action="store_true", help="take what builders attest of images, too"
        )
        parser.add_argument(
            "--jobs",
            type=_jobs,
            default=DEFAULT_JOBS,
            help=f"how much to fetch at the same time ({DEFAULT_JOBS})",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what it would cost; fetch manifests only"
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: images, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        config: Config = settings.MIRROR
        found: list[Found] = [Request(text) for text in options["images"]]
        found += [each for name in options["files"] for each in _read(name)]
        if not found:
            raise CommandError(
                "no image is named; give some, or a file with --from", returncode=CANNOT
            )
        prepare(config.storage.root)
        report = _Report(self, as_json=options["json"])
        wishes = list(report.choose(config, found, options))
        with failures.told():
            overview = self._warm(wishes, report, options)
        report.sum_up(overview, dry_run=options["dry_run"])
        done = overview.count(State.HERE, State.PRICED)
        sys.exit(ALL_HERE if done == len(wishes) and not report.mistakes else SOME_MISSING)

    def _warm(self, wishes: list[Wish], report: _Report, options: dict[str, Any]) -> Overview:
        board = Board(sys.stderr)
        work = warm.Warming(
            wishes,
            options["jobs"],
            dry_run=options["dry_run"],
            at_thread_end=connections.close_all,
        )
        with _logging_above(board):
            try:
                work.start()
                while not work.wait(board.step):
                    overview = work.overview()
                    report.tell_ended(overview, board)
                    board.show(overview)
                work.close()
            except KeyboardInterrupt:
                board.interrupt()
                self.stderr.write("stopped: the same command goes on from here")
                raise
            finally:
                board.interrupt()
                upkeep.flush()
            overview = work.overview()
            report.tell_ended(overview, board)
        return overview


class _Report:
    """What is told of each image, once."""

    def __init__(self, command: BaseCommand, *, as_json: bool) -> None:
        self.mistakes = 0
        self._command = command
        self._as_json = as_json
        self._skipped = 0
        self._told: set[int] = set()

    def choose(self, config: Config, found: list[Found], options: dict[str, Any]) -> Iterator[Wish]:
        """Each image that can be fetched, once; tells of what cannot."""
        wishes: dict[tuple[object, ...], Wish] = {}
        for each in found:
            if isinstance(each, Skipped):
                self._skipped += 1
                self._tell_of_text("skipped", each.text, each.where, each.reason)
                continue
            try:
                wish = _wish(config, each, options)
            except (RegistryError, warm.NoPlatform) as error:
                self.mistakes += 1
                reason = error.message if isinstance(error, RegistryError) else str(error)
                self._tell_of_text("mistake", each.text, each.where, reason)
            else:
                wishes.setdefault((wish.image, wish.selection), wish)
        yield from wishes.values()

    def tell_ended(self, overview: Overview, board: Board) -> None:
        for number, image in enumerate(overview.images):
            if image.state.is_end and number not in self._told:
                self._told.add(number)
                board.interrupt()
                text = json.dumps({"image": image.facts()}) if self._as_json else _sentence(image)
                self._command.stdout.write(text)
                self._command.stdout.flush()

    def sum_up(self, overview: Overview, *, dry_run: bool) -> None:
        if self._as_json:
            facts = {**overview.facts(), "mistakes": self.mistakes, "skipped": self._skipped}
            self._command.stdout.write(json.dumps({"summary": facts}))
            return
        for line in _price(overview) if dry_run else _account(overview):
            self._command.stdout.write(line)
        if self.mistakes or self._skipped:
            self._command.stdout.write(
                f"besides: {self.mistakes} names that no image here can have, "
                f"{self._skipped} skipped"
            )

    def _tell_of_text(self, kind: str, text: str, where: str, reason: str) -> None:
        if self._as_json:
            facts = {"name": text, "where": where, "problem": reason}
            self._command.stdout.write(json.dumps({kind: facts}))
        else:
            place = f"{where}: " if where else ""
            self._command.stderr.write(f"{place}{ascii(text)[1:-1]:.120}: {kind}: {reason}")


def prepare(root: Path) -> None:
    """Make ready what a mirror would, so that the first start may come later.

    What another user wrote into the store, the mirror could not read.
    """
    with as_a_step(CANNOT):
        prepare_root(root)
    owner = root.stat().st_uid
    if owner != os.geteuid():
        raise CommandError(
            f"the store in {root} belongs to the user {owner}: run this as that user, or the "
            "mirror cannot read what is fetched",
            returncode=CANNOT,
        )
    with as_a_step(CANNOT):
        prepare_database()


def _read(name: str) -> tuple[Found, ...]:
    """The images that a file names."""
    try:
        if name == "-":
            return warm.images_in_file(sys.stdin.buffer, "standard input")
        with Path(name).open("rb") as file:
            return warm.images_in_file(file, name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise CommandError(
            f"{name}: it cannot be read: {reason or 'no file name'}", returncode=CANNOT
        ) from None
    except Unreadable as error:
        raise CommandError(f"{name}: {error}", returncode=CANNOT) from None


def _wish(config: Config, request: Request, options: dict[str, Any]) -> Wish:
    platforms = options["platform"]
    if request.platform:
        platforms = (warm.parse_platform(request.platform),)
    selection = warm.Selection(platforms, options["attestations"])
    return Wish(warm.find_image(config, request.text), selection, request.where)


@contextmanager
def _logging_above(board: Board) -> Iterator[None]:
    """Have the lines of the log come above the bars while the block runs.

    What is news in a mirror's log, such as each blob that is fetched, the board shows already.
    """
    root = logging.getLogger()
    level = root.level
    handlers = [
        handler
        for handler in root.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    for handler in handlers:
        handler.setStream(board)
    if level == logging.INFO:
        root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in handlers:
            handler.setStream(sys.stderr)


def _sentence(image: Standing) -> str:
    if image.problem:
        return f"{image.name}: not all here: {image.problem}"
    old = "" if image.stale is None else f" (upstream last confirmed the tag {image.stale} s ago)"
    unsized = f", and {image.unsized} blobs of unknown size" if image.unsized else ""
    if image.state is State.PRICED:
        here = readable(image.total - image.missing)
        return (
            f"{image.name}: {readable(image.own_missing)} to fetch{unsized}, {here} of "
            f"{readable(image.total)} here{old}"
        )
    fetched = f"{readable(image.missing)} fetched" if image.missing else "it was here already"
    return f"{image.name}: here, {readable(image.total)}: {fetched}{old}"


def _account(overview: Overview) -> Iterator[str]:
    count = len(overview.images)
    yield (
        f"{overview.count(State.HERE)} of {count} images are here: "
        f"{readable(overview.brought)} fetched, {_manifests(overview)}"
    )
    if stopped := overview.count(State.STOPPED):
        yield f"{stopped} were left alone: try them again later"


def _price(overview: Overview) -> Iterator[str]:
    unpriced = len(overview.images) - overview.count(State.PRICED)
    yield (
        f"to fetch: {readable(overview.missing)} in {overview.missing_blobs} blobs; here already: "
        f"{readable(overview.total - overview.missing)}"
    )
    yield (
        f"this dry run has checked {overview.checked} tags and spent {_manifests(overview)}; they "
        "are kept, so that the warm-up need not fetch them again"
    )
    if unpriced:
        yield f"{unpriced} images could not be priced: each costs one manifest at least"


def _manifests(overview: Overview) -> str:
    fetched = overview.fetched
    if not fetched:
        return "no manifests"
    each = ", ".join(f"{count} of {upstream}" for upstream, count in sorted(fetched.items()))
    return f"{fetched.total()} manifests that count against a quota ({each})"


def _platforms(text: str) -> tuple[Any, ...] | None:
    if text == warm.ALL:
        return None
    try:
        return tuple(warm.parse_platform(each.strip()) for each in text.split(","))
    except warm.NoPlatform as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _jobs(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:3]) <= MOST_JOBS:
        return int(text)
    raise argparse.ArgumentTypeError(f"found {text!r}; allowed a number from 1 to {MOST_JOBS}")
