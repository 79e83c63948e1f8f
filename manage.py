"""The command line: `manage.py serve` starts the mirror."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from cache.management import streams

CANNOT = 2
INTERRUPTED = 130
#: What a shell says of a program that nobody reads any more: 128 and SIGPIPE.
UNREAD = 141


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mirrorsite.settings")
    streams.prepare()
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except streams.OutputEnded as ended:
        if str(ended):
            sys.stderr.write(f"{ended}\n")
        return CANNOT if str(ended) else UNREAD
    return 0


if __name__ == "__main__":
    sys.exit(main())
