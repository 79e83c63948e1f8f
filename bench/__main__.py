"""`make bench`: Mirrorsite beside Debian's docker-registry, and nginx as the limit, in one run.

A whole run writes its table to bench/results.md, and ends with 1 if a ratio is clearly worse than
the one in bench/recorded.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cases import CASES, EXTRA
from bench.load import Failed
from bench.plan import FULL, QUICK
from bench.regression import record, regressions
from bench.run import run
from bench.table import as_json, as_markdown
from tests.e2e.parts import search_path

if TYPE_CHECKING:
    from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAULT = 1
MISTAKE = 2
RESULTS = Path(__file__).with_name("results.md")
PROGRAMS = ("docker-registry", "nginx", "wrk", "cc", "openssl")


def main() -> int:
    options = _options()
    missing = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    if missing:
        _say(f"not installed: {', '.join(missing)}")
        _say("on Debian: apt install docker-registry nginx wrk gcc libssl-dev openssl")
        return MISTAKE
    for number in ENDINGS:
        signal.signal(number, _end)
    plan = QUICK if options.quick else FULL
    try:
        report = run(plan, options.only or list(CASES), _say)
    except Failed as failure:
        _say(str(failure))
        return FAULT
    text = as_markdown(report)
    print(text, end="")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n")
    if options.quick:
        return 0
    if not options.only:
        RESULTS.write_text(f"# Results of `make bench`\n\n{text}")
    if options.record:
        record(report)
        return 0
    worse = list(regressions(report))
    for each in worse:
        _say(f"worse than recorded: {each}")
    return FAULT if worse else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        default=os.environ.get("BENCH_QUICK") == "1",
        help="a minute or two, to see that it works (also: BENCH_QUICK=1)",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[*CASES, *EXTRA],
        metavar="CASE",
        help=f"this case, may be given again: {', '.join((*CASES, *EXTRA))}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    parser.add_argument(
        "--record", action="store_true", help="have later runs be compared with this one"
    )
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
