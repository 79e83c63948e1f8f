"""`python -m handbook`: write what is made of the code into the pages, or look for what is old."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from handbook import pages

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m handbook", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a page is old"
    )
    wanted = parser.parse_args(arguments)
    old = pages.old(ROOT)
    for page, text in old.items():
        if not wanted.check:
            page.write_text(text, "utf-8")
        state = "out of date: run `make docs`" if wanted.check else "new"
        sys.stdout.write(f"{page.relative_to(ROOT)} is {state}\n")
    return 1 if old and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
