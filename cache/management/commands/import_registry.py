"""`manage.py import_registry`: take over the storage folder of Docker's registry."""

from __future__ import annotations

import argparse
import functools
import json
import os
import pwd
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from cache import importing, naming, runtime, scrub
from cache.config import values
from cache.config.document import Scalar
from cache.management.commands.serve import as_a_step, prepare_database, prepare_root
from cache.management.explained import explain
from cache.management.progress import Progress
from cache.oci.errors import RegistryError
from cache.retention import readable
from cache.streaming.adopting import read_plainly

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from django.core.management.base import CommandParser

    from cache.config import Config
    from cache.importing import Finding, Job, Tally
    from cache.oci.digest import Digest

COMPLETE = 0
FOUND = 1
CANNOT = 2


class Command(BaseCommand):
    help = (
        "Take over the blobs, manifests, tags and times of a storage folder of Docker's registry "
        "(distribution), each digest verified. Nothing in the folder is changed. The mirror may "
        "run meanwhile; stop the import with Ctrl-C and repeat it to go on."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "import_registry /var/lib/registry --dry-run",
            "import_registry /var/lib/registry",
            "import_registry /srv/ghcr-cache --upstream ghcr.io --rate 50MiB",
            codes={
                COMPLETE: "all of it is here",
                FOUND: "some was left out, each with its reason",
                CANNOT: "it could not be done",
            },
        )
        parser.add_argument(
            "folder", type=Path, help="the registry's storage.filesystem.rootdirectory"
        )
        parser.add_argument(
            "--upstream",
            metavar="REGISTRY",
            help="which upstream the content is of, if not of the default one",
        )
        parser.add_argument(
            "--trust-links",
            action="store_true",
            help="take what the folder's repositories contain for upstream's word, also if it was "
            "not kept by a pull-through cache",
        )
        parser.add_argument(
            "--copy", action="store_true", help="copy every blob, also where a hard link would do"
        )
        parser.add_argument(
            "--rate", type=_rate, help="how much to read in a second at most (no bound)"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only say what there is to take over; blobs are not read, so not verified",
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: findings, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        config: Config = settings.MIRROR
        locate = _names(config, options["upstream"])
        try:
            folder = importing.RegistryFolder(options["folder"].resolve())
            job = importing.Job(
                folder=folder,
                locate=locate,
                is_trusted=folder.is_cache or options["trust_links"],
                holds=lambda _digest: False,
                adopt=None,
                reading=_reading(options["rate"]),
                now=datetime.now(UTC),
            )
            tally = self._look(job, options) if options["dry_run"] else self._work(job, options)
        except importing.NoRegistry as error:
            raise CommandError(str(error), returncode=CANNOT) from None
        except OSError as error:
            raise CommandError(_stopped(str(error)), returncode=CANNOT) from None
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(_stopped(f"the database: {reason}"), returncode=CANNOT) from None
        self._sum_up(tally, options, is_trusted=job.is_trusted)
        sys.exit(FOUND if tally.findings else COMPLETE)

    def _look(self, job: Job, options: dict[str, Any]) -> Tally:
        """A dry run makes nothing at all, not even the mirror's folders."""
        if (settings.MIRROR.storage.root / "blobs").is_dir():
            job = replace(job, holds=_holds)
        return self._import(job, options)

    def _work(self, job: Job, options: dict[str, Any]) -> Tally:
        root = settings.MIRROR.storage.root
        with as_a_step(CANNOT):
            prepare_root(root)
            _check_owner(root)
            prepare_database()
        mirror = runtime.current()
        with scrub.alone(mirror.locks / "import_registry.lock", wait=False) as is_free:
            if not is_free:
                raise CommandError("another import_registry is at work", returncode=CANNOT)
            adopt = functools.partial(mirror.store.adopt, link=not options["copy"])
            return self._import(replace(job, holds=_holds, adopt=adopt), options)

    def _import(self, job: Job, options: dict[str, Any]) -> Tally:
        progress = Progress(sys.stderr, importing.total_size(job.folder))

        def tell(finding: Finding) -> None:
            progress.findings += 1
            progress.interrupt()
            facts = json.dumps({"finding": finding.facts()})
            self.stdout.write(facts if options["json"] else str(finding))
            self.stdout.flush()

        try:
            return importing.import_folder(
                replace(job, on_finding=tell, on_progress=progress.advance)
            )
        except KeyboardInterrupt:
            progress.interrupt()
            self.stderr.write("stopped: the same command goes on from here")
            raise
        finally:
            progress.interrupt()

    def _sum_up(self, tally: Tally, options: dict[str, Any], *, is_trusted: bool) -> None:
        if options["json"]:
            facts = tally.facts() | {"is_trusted": is_trusted, "is_dry": options["dry_run"]}
            self.stdout.write(json.dumps({"summary": facts}))
        else:
            self.stdout.writelines(
                f"{line}\n" for line in _sentences(tally, is_dry=options["dry_run"])
            )


def _sentences(tally: Tally, *, is_dry: bool) -> list[str]:
    new = [
        f"{count} blobs {how}({readable(size)})"
        for count, how, size in (
            (tally.linked, "" if is_dry else "linked ", tally.linked_size),
            (tally.copied, "copied ", tally.copied_size),
        )
        if count
    ]
    first = (
        f"{'would take' if is_dry else 'took'} over {' and '.join(new) or 'no new blobs'}, "
        f"{tally.manifests} manifests and {tally.tags} tags of {tally.repositories} repositories; "
        f"{tally.held} blobs were here before"
    )
    lines = [first]
    if tally.absent:
        lines.append(f"{tally.absent} contents have expired there: a pull fetches them again")
    if tally.unproved:
        lines.append(
            "the folder was pushed to, so what is in it is not upstream's word: upstream is asked "
            "before any of it is served, and tags are left to upstream (see --trust-links)"
        )
    if tally.findings:
        lines.append(f"left out: {tally.findings}, named above")
    return lines


def _names(config: Config, upstream: str | None) -> Callable[[str], Any]:
    """What a repository of the folder is called here."""
    try:
        name = naming.upstream_called(config, upstream).name if upstream else config.proxy.name
    except RegistryError as error:
        raise CommandError(error.message, returncode=CANNOT) from None
    return lambda repository: naming.locate(config, repository, name)


def _holds(digest: Digest) -> bool:
    return runtime.current().store.stat(digest) is not None


def _check_owner(root: Path) -> None:
    """Files of another user's would be in the mirror's way."""
    owner = root.stat().st_uid
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    raise CommandError(
        f"{root} belongs to the user {name}: run this as that user, who must be able to read the "
        "registry's folder",
        returncode=CANNOT,
    )


def _reading(rate: int | None) -> Callable[[BinaryIO], Any]:
    if rate is None:
        return read_plainly
    return functools.partial(scrub.read_from_disk, pace=scrub.Pace(rate))


def _rate(text: str) -> int:
    try:
        return values.rate(Scalar(text))
    except values.Refused as refused:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed {refused.allowed}") from None


def _stopped(reason: str) -> str:
    return f"the import stopped: {reason}. What was taken over stays; repeat it to go on."
