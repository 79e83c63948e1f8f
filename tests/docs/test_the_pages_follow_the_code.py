"""What is made of the code says what the code says, and leaves no option out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cache.config import ConfigError, load
from handbook import __main__ as handbook
from handbook import pages
from handbook.options import NAME, REGISTRY, Option, ignored, options, read
from handbook.regions import UnknownRegion, filled

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text("utf-8")
OPTIONS = [pytest.param(each, id=each.key) for each in options()]
WITH_DEFAULT = [pytest.param(each, id=each.key) for each in options() if each.default]


def test_no_page_is_old(capsys: pytest.CaptureFixture[str]) -> None:
    assert handbook.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_that_is_old_is_told_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(
        "by hand\n<!-- made by `make docs`: ignored-keys -->\nold\n<!-- end -->\nmore\n"
    )

    text = pages.old(tmp_path)[page]

    assert text.startswith("by hand\n")
    assert text.endswith("<!-- end -->\nmore\n")
    assert "| `loglevel` | set log.level |" in text
    assert "old" not in text
    page.write_text(text)
    assert page not in pages.old(tmp_path)


def test_a_picture_that_is_missing_is_made(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert pages.old(tmp_path)[tmp_path / "docs/pictures/rooms.svg"].startswith("<svg")


def test_a_part_that_nobody_makes_is_an_error() -> None:
    text = "<!-- made by `make docs`: nonsense -->\n<!-- end -->"
    with pytest.raises(UnknownRegion, match="nobody makes 'nonsense'"):
        filled(text, pages.PARTS)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_explained(option: Option) -> None:
    """A new one is in the tables by itself, but says what it means nowhere else than in its key."""
    assert option.meaning, f"give {option.key} in cache/config/keys.py a Text that explains it"
    assert f"`{option.variable}` | {option.meaning} |" in PAGE


@pytest.mark.parametrize("key", [key for key, _ in ignored()])
def test_every_key_that_means_nothing_is_named(key: str) -> None:
    assert f"`{key}`" in PAGE.partition("## Keys that mean nothing here")[2]


@pytest.mark.parametrize("option", WITH_DEFAULT)
def test_what_holds_without_a_key_is_what_the_page_says(option: Option) -> None:
    assert option.default is not None
    written = read(option.document(option.default))

    assert written == read(option.document(""))
    (row,) = re.findall(rf"^.*`{re.escape(option.variable)}` \|.*$", PAGE, re.MULTILINE)
    assert f"`{option.default}`" in row.split(" | ")[-1]


def test_most_options_show_their_default() -> None:
    """What has no value to write for its absence says in words what holds then."""
    assert len(WITH_DEFAULT) > len(OPTIONS) / 3
    assert [each.key for each in options() if not each.default and not each.text.otherwise] == []


@pytest.mark.parametrize("option", OPTIONS)
def test_the_variable_on_the_page_sets_the_key(option: Option, tmp_path: Path) -> None:
    """An impossible value is refused for that key; a name that meant nothing would be warned of."""
    file = tmp_path / "config.yml"
    file.write_text(option.document(""))
    variable = option.variable.replace(f"_{NAME}_", "_GHCR_IO_")
    impossible = {"list": "[a: b]", "one or more": "[a: b]"}.get(option.kind, "{a: {b: c}}")
    if option.kind == "text":
        impossible = '"\\x01"'

    with pytest.raises(ConfigError) as refused:
        load(file, {variable: impossible})

    # What it says of two keys that go together may be of the other one.
    section = ".".join(option.path[:-1]).replace(NAME, REGISTRY)
    assert refused.value.problems[0].startswith(f"{variable}: {section}")


def test_bounds_come_from_the_reader() -> None:
    """A sample of what is derived, so that a derivation that finds nothing is seen."""
    takes = {each.key: each.allowed for each in options()}

    assert takes["http.idle_timeout"] == "a duration from 1ms to 24h"
    assert takes["log.level"] == "debug, info, warn or error"
    assert takes["proxy.max_connections"] == "a whole number from 4 to 10000"
    assert takes["storage.scrub.rate"].endswith("at least 64KiB, in a second")
    assert takes["http.trusted_proxies"].startswith("one or a list, each an address")
    assert "or names and such values" in takes["proxy.freshness"]
