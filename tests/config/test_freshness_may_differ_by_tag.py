"""`freshness` is one window, or one for each pattern of tags: the first that fits counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config import Config
from cache.oci.reference import Tag
from tests.config.conftest import Read, Refuse

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = '{default: 0s, "v*.*.*": 24h, latest: 1m}'


def windows(config: Config, *tags: str) -> list[timedelta]:
    return [config.proxy.freshness.of(Tag(tag)) for tag in tags]


def test_patterns_and_a_default(read: Read) -> None:
    config = read(f"proxy: {{freshness: {RULES}}}")

    assert windows(config, "v1.2.3", "latest", "edge") == [DAY, MINUTE, timedelta(0)]


def test_the_first_one_written_that_fits_counts(read: Read) -> None:
    one = read('proxy: {freshness: {"v1*": 1m, "v*": 1h}}')
    other = read('proxy: {freshness: {"v*": 1h, "v1*": 1m}}')

    assert windows(one, "v1.2") == [MINUTE]
    assert windows(other, "v1.2") == [HOUR]


def test_without_a_default_other_tags_are_always_asked_for(read: Read) -> None:
    assert windows(read("proxy: {freshness: {latest: 1m}}"), "edge") == [timedelta(0)]


def test_another_upstream_has_its_own(read: Read) -> None:
    config = read(f"proxy: {{freshness: 1h}}\nupstreams: {{a.b: {{freshness: {RULES}}}, c.d: }}")

    assert config.others[0].freshness.of(Tag("latest")) == MINUTE
    assert config.others[1].freshness.of(Tag("latest")) == timedelta(0)
    assert windows(config, "latest") == [HOUR]


def test_a_rule_that_a_variable_overrides_keeps_its_place(read: Read) -> None:
    config = read(
        'proxy: {freshness: {latest: 1m, "*": 1h}}', {"REGISTRY_PROXY_FRESHNESS_LATEST": "24h"}
    )

    assert windows(config, "latest", "edge") == [DAY, HOUR]


def test_a_variable_may_hold_all_of_them(read: Read) -> None:
    environ = {"REGISTRY_PROXY_FRESHNESS": RULES, "REGISTRY_PROXY_FRESHNESS_DEFAULT": "1h"}

    config = read('proxy: {freshness: {"*": 1m}}', environ)

    assert windows(config, "v1.2.3", "latest", "edge") == [DAY, MINUTE, HOUR]


def test_a_variable_for_a_tag_leaves_the_files_window_to_the_others(read: Read) -> None:
    config = read("proxy: {freshness: 1h}", {"REGISTRY_PROXY_FRESHNESS_LATEST": "1m"})

    assert windows(config, "latest", "edge") == [MINUTE, HOUR]


@pytest.mark.parametrize(
    ("freshness", "key", "allowed"),
    [
        ("{latest: soon}", "proxy.freshness.latest", "0 or a duration"),
        ("{default: soon}", "proxy.freshness.default", "0 or a duration"),
        ("{a/b: 1m}", "proxy.freshness.a/b", "a pattern of tags"),
        ("{'a:b': 1m}", "proxy.freshness.a:b", "a pattern of tags"),
        ("{'a b': 1m}", "proxy.freshness.a b", "a pattern of tags"),
        ("{latest: [1m]}", "proxy.freshness.latest", "a single value"),
        ("[1m]", "proxy.freshness", "a single value or a mapping of names to values"),
    ],
)
def test_mistakes(refuse: Refuse, freshness: str, key: str, allowed: str) -> None:
    (problem,) = refuse(f"proxy: {{freshness: {freshness}}}")

    assert problem.startswith(f"config.yml: {key}: found ")
    assert f"; allowed {allowed}" in problem
