"""The command line: `manage.py serve` starts the mirror."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

INTERRUPTED = 130


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mirrorsite.settings")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
