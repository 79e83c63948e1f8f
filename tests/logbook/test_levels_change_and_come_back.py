"""A level that an operator changes is followed by every process, and ends when it was said to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.logbook import CannotChange, Levels, Override

NOON = 1_700_000_000.0


@pytest.fixture
def levels(tmp_path: Path) -> Iterator[Levels]:
    levels = Levels(tmp_path / "logs" / "levels.json")
    yield levels
    levels.change_back("cache.one", NOON)
    levels.apply(NOON)


def debug(until: float | None = None) -> Override:
    return Override("debug", until, "olga", NOON)


def level_of(name: str) -> int:
    return logging.getLogger(name).level


def test_a_change_is_followed(levels: Levels) -> None:
    levels.change("cache.one", debug())
    levels.apply(NOON)
    assert level_of("cache.one") == logging.DEBUG
    assert levels.overrides(NOON) == {"cache.one": debug()}


def test_it_ends_at_its_time(levels: Levels) -> None:
    levels.change("cache.one", debug(until=NOON + 600))
    levels.apply(NOON + 599)
    assert level_of("cache.one") == logging.DEBUG
    levels.apply(NOON + 600)
    assert level_of("cache.one") == logging.NOTSET
    assert levels.overrides(NOON + 600) == {}


def test_what_was_before_comes_back(levels: Levels) -> None:
    logging.getLogger("cache.one").setLevel(logging.ERROR)
    levels.change("cache.one", debug())
    levels.apply(NOON)
    levels.change("cache.one", Override("info", None, "olga", NOON))
    levels.apply(NOON)
    assert levels.change_back("cache.one", NOON)
    levels.apply(NOON)
    assert level_of("cache.one") == logging.ERROR
    assert not levels.change_back("cache.one", NOON), "there is nothing to change back any more"
    logging.getLogger("cache.one").setLevel(logging.NOTSET)


def test_another_process_sees_it(levels: Levels, tmp_path: Path) -> None:
    levels.change("cache.one", debug())
    others = Levels(tmp_path / "logs" / "levels.json")
    assert others.overrides(NOON) == {"cache.one": debug()}


def test_changes_do_not_replace_each_other(levels: Levels) -> None:
    levels.change("cache.one", debug())
    levels.change("cache.two", debug())
    assert set(levels.overrides(NOON)) == {"cache.one", "cache.two"}


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "root", "", "cachette"])
def test_loggers_that_may_tell_secrets_are_not_touched(levels: Levels, name: str) -> None:
    with pytest.raises(CannotChange, match="only those of cache, dashboard"):
        levels.change(name, debug())


def test_an_unknown_level_is_refused(levels: Levels) -> None:
    with pytest.raises(CannotChange, match="there is no level loud: allowed are debug"):
        levels.change("cache.one", Override("loud", None, "olga", NOON))


@pytest.mark.parametrize("content", ["", "[]", '{"cache.one": 1}', '{"cache.one": {"x": 1}}'])
def test_a_damaged_file_changes_nothing(levels: Levels, tmp_path: Path, content: str) -> None:
    (tmp_path / "logs").mkdir(exist_ok=True)
    (tmp_path / "logs" / "levels.json").write_text(content)
    assert levels.overrides(NOON) == {}
