"""Range, If-Range and If-None-Match: RFC 9110 sections 13 and 14, whatever a client writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.api.ranges import ByteRange, none_match, parse_range, range_applies
from cache.oci.errors import RegistryError
from tests.api.outcomes import outcome

ETAG = '"sha256:' + "a" * 64 + '"'
LARGEST = 2**63
SIZES = st.integers(0, LARGEST)
POSITIONS = st.integers(0, LARGEST)
BLANKS = st.sampled_from(["", " ", "\t", "  "])
UNIT = st.sampled_from(["bytes=", "Bytes=", "BYTES="])
# What a client sends, as a server gets it: one character for each byte.
TEXT = st.text() | st.text(alphabet="bytes=0123456789-, \t", max_size=60)


@given(TEXT, SIZES)
def test_no_text_gives_anything_but_bytes_of_the_blob(text: str, size: int) -> None:
    found = outcome(lambda: parse_range(text, size))

    if isinstance(found, RegistryError):
        assert (found.code, found.status) == ("RANGE_INVALID", 416)
        assert found.headers["Content-Range"] == f"bytes */{size}"
    else:
        assert found is None or 0 <= found.start < found.stop <= size


@given(UNIT, BLANKS, POSITIONS, POSITIONS, SIZES)
def test_from_a_byte_to_another(unit: str, blank: str, first: int, more: int, size: int) -> None:
    last = min(first + more, 10**19 - 1)
    header = f"{unit}{blank}{first}{blank}-{blank}{last}{blank}"

    if first < size:
        assert parse_range(header, size) == ByteRange(first, min(last + 1, size))
    else:
        with pytest.raises(RegistryError, match="RANGE_INVALID"):
            parse_range(header, size)


@given(UNIT, POSITIONS, SIZES)
def test_from_a_byte_to_the_end(unit: str, first: int, size: int) -> None:
    if first < size:
        assert parse_range(f"{unit}{first}-", size) == ByteRange(first, size)
    else:
        with pytest.raises(RegistryError, match="RANGE_INVALID"):
            parse_range(f"{unit}{first}-", size)


@given(UNIT, POSITIONS, SIZES)
def test_the_last_bytes(unit: str, count: int, size: int) -> None:
    if count and size:
        expected = ByteRange(max(0, size - count), size)
        assert parse_range(f"{unit}-{count}", size) == expected
    else:
        with pytest.raises(RegistryError, match="RANGE_INVALID"):
            parse_range(f"{unit}-{count}", size)


@given(st.lists(st.tuples(POSITIONS, POSITIONS), min_size=2, max_size=5))
def test_several_ranges_are_ignored(pairs: list[tuple[int, int]]) -> None:
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in pairs)
    assert parse_range(header, LARGEST) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5",
        "bytes=5-4",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=1_0-20",
        "bytes=\N{ARABIC-INDIC DIGIT ONE}-",
        "bytes=\xb2-",
        "bytes=0-1\n",
        "bytes=0-1\x00",
        "byte\N{LATIN SMALL LETTER LONG S}=0-1",
        "bytes=0-" + "9" * 20,
        "lines=0-1",
        "0-1",
    ],
)
def test_what_is_no_range_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "header", ["bytes=" + " " * 16_000 + "x", "bytes=-" + "\t" * 16_000, "bytes=" + "0-0," * 4_000]
)
def test_hostile_ranges_are_answered_at_once(header: str) -> None:
    # A pattern that backtracks takes a second or two for each.
    for _ in range(200):
        assert parse_range(header, 100) is None


@given(TEXT | st.just(ETAG))
def test_a_range_holds_for_the_very_content_only(text: str) -> None:
    assert range_applies(None, ETAG)
    assert range_applies(text, ETAG) == (text.strip() == ETAG)
    assert not range_applies(f"W/{ETAG}", ETAG)


@given(st.lists(st.sampled_from(['"a"', 'W/"a"', '"b c"', "", "x"]), max_size=4), BLANKS)
def test_a_known_content_is_found_among_others(others: list[str], blank: str) -> None:
    for known in (ETAG, f"W/{ETAG}", "*"):
        assert none_match(f",{blank}".join([*others, known]), ETAG)
    assert not none_match(f",{blank}".join(others), ETAG)
    assert not none_match(None, ETAG)


@given(TEXT)
def test_no_text_is_taken_for_the_content(text: str) -> None:
    assert not none_match(text.replace("*", ""), ETAG)
