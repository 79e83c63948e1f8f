"""`make bench`: Mirrorsite beside Debian's docker-registry, in one run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load import Failed
from bench.plan import FULL, QUICK
from bench.run import run
from bench.table import as_json, as_text
from tests.e2e.parts import search_path

if TYPE_CHECKING:
    from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAULT = 1
MISTAKE = 2


def main() -> int:
    options = _options()
    if shutil.which("docker-registry", path=search_path()) is None:
        _say("docker-registry is not installed; on Debian: apt install docker-registry")
        return MISTAKE
    for number in ENDINGS:
        signal.signal(number, _end)
    try:
        report = run(QUICK if options.quick else FULL, _say)
    except Failed as failure:
        _say(str(failure))
        return FAULT
    print(as_text(report), end="")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        default=os.environ.get("BENCH_QUICK") == "1",
        help="under a minute, to see that it works (also: BENCH_QUICK=1)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    return parser.parse_args()


def _end(number: int, _frame: FrameType | None) -> None:
    """Unwind, which ends the programs and removes the folder; a second Ctrl-C must not stop it."""
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
