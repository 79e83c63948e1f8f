"""`manage.py status`: how the running mirror is."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cache import runtime
from cache.management import standing as shown
from cache.management.explained import explain
from cache.management.screen import Screen, can_be_drawn_on, screen
from cache.overview.standing import Standing, standing

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

RUNS = 0
RUNS_NOT = 1
CANNOT = 2

SHORTEST_STEP = 0.2
LONGEST_STEP = 3600.0


class Command(BaseCommand):
    help = (
        "Show how the running mirror is: transfers, rates, hit ratio, disk, janitor, upstreams and "
        "their quotas. It asks no upstream, and needs no mirror's answer: it reads what the "
        "mirror's processes share. Run it as the mirror's user and with its configuration."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "status",
            "status --watch",
            "status --json | jq .transfers",
            "status --json --watch --every 60 >>status.jsonl",
            codes={
                RUNS: "a mirror runs; --watch: it was ended with Ctrl-C",
                RUNS_NOT: "none runs here",
                CANNOT: "it cannot be told: a wrong option, no right to read, no database",
            },
        )
        parser.add_argument(
            "--watch",
            action="store_true",
            help="go on until Ctrl-C: in place on a terminal, a line each time anywhere else",
        )
        parser.add_argument(
            "--every",
            type=_seconds,
            default=1.0,
            metavar="SECONDS",
            help="how often, with --watch (1)",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object; with --watch, each time"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        found = _look()
        if found is None:
            raise CommandError(_nobody(), returncode=RUNS_NOT)
        if options["watch"]:
            self._watch(found, options["every"], as_json=options["json"])
            return
        for line in [_json(found)] if options["json"] else shown.lines(found):
            self.stdout.write(line)
        if found.recorded is None:
            sys.exit(CANNOT)

    def _watch(self, found: Standing | None, every: float, *, as_json: bool) -> None:
        """Show it until Ctrl-C, also over the mirror's restarts."""
        try:
            if can_be_drawn_on(sys.stdout) and not as_json:
                with screen(sys.stdout) as window:
                    _keep_drawing(window, found, every)
            else:
                self._keep_printing(found, every, _json if as_json else shown.line)
        except KeyboardInterrupt:
            return

    def _keep_printing(
        self, found: Standing | None, every: float, said: Callable[[Standing], str]
    ) -> None:
        while True:
            if found is None:
                self.stderr.write(_nobody())
            else:
                self.stdout.write(said(found))
                self.stdout.flush()
            time.sleep(every)
            found = _look()


def _keep_drawing(window: Screen, found: Standing | None, every: float) -> None:
    while True:
        lines = shown.lines(found, window.size.lines - 1) if found else [_nobody()]
        window.draw([*lines, "Ctrl-C ends this"])
        window.wait(every)
        found = _look()


def _look() -> Standing | None:
    root: Path = settings.MIRROR.storage.root
    try:
        # Without the folder no mirror was ever started: none is to be made for the question.
        if not (root / "retention").is_dir():
            return None
        return standing(runtime.current().now())
    except OSError as error:
        message = f"{root} cannot be looked into ({error.strerror or error}); run this as its owner"
        raise CommandError(message, returncode=CANNOT) from None


def _nobody() -> str:
    return (
        f"no mirror is running in {settings.MIRROR.storage.root}: start it with `manage.py serve`, "
        "or name its configuration in MIRROR_CONFIG"
    )


def _json(found: Standing) -> str:
    return json.dumps(found.facts(), default=_moment)


def _moment(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if SHORTEST_STEP <= seconds <= LONGEST_STEP:
        return seconds
    raise argparse.ArgumentTypeError(
        f"found {text!r}; allowed seconds from {SHORTEST_STEP:g} to {LONGEST_STEP:g}"
    )
