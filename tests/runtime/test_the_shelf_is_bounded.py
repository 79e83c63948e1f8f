"""A shelf keeps what was used last, and nothing from before a change."""

from __future__ import annotations

from cache.shelf import Shelf

KIB = 1024


def test_what_was_put_there() -> None:
    shelf = Shelf()
    shelf.put("a", "value", 5, stamp=1)
    assert shelf.get("a", stamp=1) == "value"
    assert shelf.get("b", stamp=1) is None


def test_a_change_ends_it() -> None:
    shelf = Shelf()
    shelf.put("a", "value", 5, stamp=1)
    assert shelf.get("a", stamp=2) is None
    assert shelf.get("a", stamp=1) is None


def test_the_least_recently_used_goes() -> None:
    shelf = Shelf(most=33 * KIB)
    for name in "abc":
        shelf.put(name, name, 10 * KIB - 1, stamp=None)
    assert shelf.get("a", None) == "a"

    shelf.put("d", "d", 10 * KIB - 1, stamp=None)

    assert [shelf.get(name, None) for name in "abcd"] == ["a", None, "c", "d"]


def test_one_that_is_put_again_counts_once() -> None:
    shelf = Shelf(most=33 * KIB)
    for number in range(10):
        shelf.put("a", number, 20 * KIB, stamp=None)
    assert shelf.get("a", None) == 9


def test_what_is_too_large_is_not_kept() -> None:
    shelf = Shelf(most=8 * KIB)
    shelf.put("a", "a", 16 * KIB, stamp=None)
    assert shelf.get("a", None) is None


def test_dropping() -> None:
    shelf = Shelf()
    shelf.put("a", "a", 1, stamp=None)
    shelf.drop("a")
    shelf.drop("b")
    assert shelf.get("a", None) is None
