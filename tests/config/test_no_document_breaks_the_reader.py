"""Whatever stands in the file or the environment: a configuration, or the list of its mistakes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.config import ConfigError, load
from cache.config.keys import SCHEMA
from cache.config.kinds import Key, ListOf, MapOf, Section

pytestmark = pytest.mark.slow

same_folder = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
fragments = st.sampled_from(
    ["a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "!!int ", "!!float ",
     "!x ", "'", '"', "|", "0x_", "1:60", "2001-99-99", "~", "#", "%YAML 1", "---", "\\u",
     "\x85", "=", ", "]
)  # fmt: skip


def names(key: Key, prefix: str = "REGISTRY") -> list[str]:
    """The variables of every key."""
    match key:
        case Section():
            inner = [
                name for word, each in key.keys.items() for name in names(each, f"{prefix}_{word}")
            ]
            return [prefix.upper(), *(name.upper() for name in inner)]
        case MapOf(item=Section()):
            return [prefix.upper(), *names(key.item, f"{prefix}_A_IO")]
        case ListOf() | MapOf():
            return [prefix.upper(), *names(key.item, f"{prefix}_0")]
        case _:
            return [prefix.upper()]


def like(key: Key) -> st.SearchStrategy[object]:
    """Documents with the right keys and any values."""
    match key:
        case Section():
            return values | st.fixed_dictionaries(
                {}, optional={name: like(inner) for name, inner in key.keys.items()}
            )
        case ListOf():
            return values | st.lists(like(key.item), max_size=2)
        case MapOf():
            return values | st.dictionaries(st.text(max_size=9), like(key.item), max_size=2)
        case _:
            return values


def check(path: Path, environ: dict[str, str]) -> None:
    """Any other exception than ConfigError fails the test."""
    lines: tuple[str, ...] = ()
    try:
        lines = load(path, environ).warnings
    except ConfigError as error:
        lines = error.problems or ("",)
    assert all(line.isprintable() and ": " in line for line in lines)


@same_folder
@given(document=like(SCHEMA))
def test_any_value_for_any_key(tmp_path: Path, document: object) -> None:
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8", "surrogatepass")

    check(path, {})


@same_folder
@given(parts=st.lists(fragments, max_size=30))
def test_any_pieces_of_yaml(tmp_path: Path, parts: list[str]) -> None:
    path = tmp_path / "config.yml"
    path.write_text("".join(parts), "utf-8")

    check(path, {})


@same_folder
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yml"
    path.write_bytes(content)

    check(path, {})


@same_folder
@given(
    name=st.sampled_from(names(SCHEMA)),
    value=st.text(max_size=30) | st.lists(fragments).map("".join),
)
def test_any_variable(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text("upstreams: {a.io: }")

    check(path, {name: value})


@same_folder
@given(url=st.text(max_size=30) | st.from_regex(r"postgres(ql)?://.*", fullmatch=True))
def test_any_database_url(url: str) -> None:
    with contextlib.suppress(ConfigError):
        load(Path("/dev/null"), {"DATABASE_URL": url})
