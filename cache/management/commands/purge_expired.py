"""`manage.py purge_expired`: what the mirror's janitor does, now, and with an operator's limits."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from cache.config import retention as limits
from cache.config import values
from cache.management.explained import explain
from cache.management.progress import Progress
from cache.management.retention import CANNOT, counted, facts, line, option, say, told, who
from cache.retention import Policy, Removed, Run, Summary, current_policy, readable

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Remove what was last pulled longer ago than its ttl; then, as long as the store is larger "
        "or its disk fuller than is allowed, what was pulled longest ago. The mirror may run "
        "meanwhile."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "purge_expired --dry-run",
            "purge_expired --max-size 100GiB",
            "purge_expired --json | jq .summary",
            codes={0: "done", CANNOT: "it could not be done"},
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would go, and remove nothing"
        )
        parser.add_argument(
            "--max-size",
            type=option(values.size),
            help="how large the store may be, such as 100GiB (retention.max_size)",
        )
        parser.add_argument(
            "--min-free",
            type=option(limits.min_free),
            help="what must be free of its disk, such as 10%% or 20GiB (retention.min_free)",
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: removals, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            policy = _policy(options)
            summary = self._run(policy, dry_run=options["dry_run"], as_json=options["json"])
            if options["json"]:
                self.stdout.write(json.dumps({"summary": asdict(summary)}))
            else:
                self._sum_up(summary, policy)

    def _run(self, policy: Policy, *, dry_run: bool, as_json: bool) -> Summary:
        progress = self._progress(policy) if not dry_run and sys.stderr.isatty() else None

        def tell(removed: Removed) -> None:
            if progress:
                progress.findings += 1
                progress.interrupt()
            said = json.dumps({"removed": facts(removed)}) if as_json else line(removed)
            if dry_run:
                self.stdout.write(said)
            else:
                say(self.stdout, said)

        def advance(size: int) -> None:
            if progress:
                progress.advance(size)

        try:
            return Run(policy, who(), dry_run, on_removed=tell, on_progress=advance).now()
        finally:
            if progress:
                progress.interrupt()

    def _progress(self, policy: Policy) -> Progress:
        """A bar, for which it must be known first how much will go."""
        expected = Run(policy, who(), dry_run=True).now().size
        return Progress(sys.stderr, expected, counted="removed")

    def _sum_up(self, summary: Summary, policy: Policy) -> None:
        verb = "would remove" if summary.dry_run else "removed"
        images, blobs = counted(summary.images, "image"), counted(summary.blobs, "blob")
        holds = "would hold" if summary.dry_run else "holds"
        self.stdout.write(
            f"{verb} {images}, {blobs}, {readable(summary.size)}; "
            f"the store {holds} {readable(summary.held)}"
        )
        if summary.over:
            allowed = readable(policy.max_size or 0)
            self.stderr.write(
                f"still {readable(summary.over)} over {allowed}: the rest is pinned or in use"
            )
        if summary.short:
            self.stderr.write(
                f"still {readable(summary.short)} too little free: the rest is pinned or in use"
            )


def _policy(options: dict[str, Any]) -> Policy:
    policy = current_policy()
    if options["max_size"] is not None:
        policy = replace(policy, max_size=options["max_size"])
    if options["min_free"] is not None:
        policy = replace(policy, min_free=options["min_free"])
    return policy
