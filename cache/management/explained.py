"""How every command explains itself: a wrapped description, then examples and exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import DjangoHelpFormatter

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping

_RAW = "examples:\n"

#: What every command may end with besides its own codes.
_ALWAYS = {130: "stopped with Ctrl-C", 141: "nobody reads its output any more"}


class _Formatter(DjangoHelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_RAW) else super()._fill_text(text, width, indent)


def explain(parser: ArgumentParser, *examples: str, codes: Mapping[int, str]) -> None:
    """Put examples (what comes after `manage.py`) and exit codes below the options."""
    parser.formatter_class = _Formatter
    shown = "".join(f"  manage.py {example}\n" for example in examples)
    meant = "".join(f"  {code:<3} {text}\n" for code, text in {**codes, **_ALWAYS}.items())
    parser.epilog = f"{_RAW}{shown}\nexit codes:\n{meant}"
