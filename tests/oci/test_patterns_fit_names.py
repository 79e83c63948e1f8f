from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.pattern import LONGEST_PATTERN, Pattern


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("latest", ["latest"], ["latest1", "a-latest", "Latest", ""]),
        ("v1.2", ["v1.2"], ["v1x2"]),
        ("library/*", ["library/nginx", "library/"], ["library", "library/a/b", "xlibrary/a"]),
        ("acme/**", ["acme/a", "acme/a/b", "acme/"], ["acme", "acmes/a"]),
        ("**", ["a", "a/b/c", ""], []),
        ("*", ["a", ""], ["a/b", "/"]),
        ("v*.*.*", ["v1.2.3", "v1.2.3-rc.1", "v.."], ["1.2.3", "v1.2", "v1/2.3.4"]),
        ("**/base", ["base", "a/base", "a/b/base", "/base"], ["abase", "a/xbase", "base/a"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "a/bz", "a/b/cz"]),
        ("**/**/base", ["base", "a/base", "a/b/base"], ["abase"]),
        ("a**z", ["az", "a/z", "a/b/z", "abz"], ["a", "z"]),
        ("a***z", ["az", "a/z", "a/b/z"], ["a/"]),
        ("?", ["a"], ["", "ab", "/"]),
        ("*a", ["a", "aa", "baba"], ["ab", "b/a"]),
        ("*a*/b", ["a/b", "xax/b"], ["x/ab", "x/a/b"]),
        ("*?", ["a", "ab"], ["", "/"]),
    ],
)
def test_stars_and_question_marks(pattern: str, fitting: list[str], others: list[str]) -> None:
    assert [text for text in fitting + others if Pattern(pattern).fits(text)] == fitting


@pytest.mark.parametrize("text", ["", " ", "a b", "[ab]", "a\n", "a|b", "é", "a" * 256, "(a)"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        Pattern(text)


def test_a_pattern_is_a_value() -> None:
    assert Pattern("a*") == Pattern("a*") != Pattern("a**")
    assert str(Pattern("a*")) == "a*"


def obviously_fits(pattern: str, text: str) -> bool:
    """What the words of a pattern mean, one after the other, trying everything."""
    if not pattern:
        return not text
    if pattern.startswith("**/"):
        rests = [text[n + 1 :] for n, character in enumerate(text) if character == "/"]
        return any(obviously_fits(pattern[3:], rest) for rest in [text, *rests])
    if pattern.startswith("**"):
        return any(obviously_fits(pattern[2:], text[n:]) for n in range(len(text) + 1))
    if pattern[0] == "*":
        run = text.partition("/")[0]
        return any(obviously_fits(pattern[1:], text[n:]) for n in range(len(run) + 1))
    if not text or (pattern[0] != text[0] and (pattern[0] != "?" or text[0] == "/")):
        return False
    return obviously_fits(pattern[1:], text[1:])


words = st.sampled_from(["*", "**", "**/", "?", "/", "a", "b", "ab"])


@given(
    pattern=st.lists(words, min_size=1, max_size=8).map("".join),
    text=st.text(alphabet="ab/", max_size=10),
)
def test_any_pattern_means_what_its_words_mean(pattern: str, text: str) -> None:
    assert Pattern(pattern).fits(text) == obviously_fits(pattern, text)


@given(text=st.text(max_size=20), pattern=st.sampled_from(["**", "*", "?", "a?", "**/*"]))
def test_any_text_is_answered(text: str, pattern: str) -> None:
    assert Pattern(pattern).fits(text) == obviously_fits(pattern, text)


@pytest.mark.parametrize("word", ["*a", "**a", "?*", "a*", "**/a", "*?", "**/", "*/", "a**/*"])
@pytest.mark.parametrize("piece", ["a", "aa/", "a/", "ab", "/"])
def test_no_pattern_takes_long(word: str, piece: str) -> None:
    # Backtracking would take longer than the test's time limit.
    pattern = Pattern((word * LONGEST_PATTERN)[: LONGEST_PATTERN - 1] + "z")

    for _ in range(10):
        assert not pattern.fits((piece * 512)[:511] + "b")
