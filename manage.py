"""The command line: `manage.py serve` starts the mirror."""

from __future__ import annotations

import os
import sys

from cache.management import streams

CANNOT = 2
INTERRUPTED = 130
#: What a shell says of a program that nobody reads any more: 128 and SIGPIPE.
UNREAD = 141


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mirrorsite.settings")
    streams.prepare()
    try:
        run(sys.argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except streams.OutputEnded as ended:
        if str(ended):
            sys.stderr.write(f"{ended}\n")
        return CANNOT if str(ended) else UNREAD
    return 0


def run(arguments: list[str]) -> None:
    """Run the command; a failing output is told before its own exit code is."""
    # Imported late: Ctrl-C may come while it is.
    from cache.management.beginning import Commands  # noqa: PLC0415

    try:
        Commands(arguments).execute()
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
