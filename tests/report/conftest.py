"""This process as a mirror, as the tests of pulls have it."""

from tests.pull.conftest import mirror, upstream

__all__ = ["mirror", "upstream"]
