"""How much is kept and for how long: sizes, shares, patterns, a ttl for each upstream."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config import Reserve
from tests.config.conftest import Read, Refuse

GIB = 1024**3


def test_everything_that_can_be_set(read: Read) -> None:
    config = read(
        """
        proxy: {ttl: 72h}
        upstreams: {ghcr.io: , quay.io: }
        retention:
          max_size: 200GiB
          min_free: 10%
          keep: ["library/*:lts", "acme/**"]
          part_ttl: 2h
          upstreams: {ghcr.io: {ttl: 24h}}
        """
    )

    kept = config.retention
    assert kept.max_size == 200 * GIB
    assert kept.min_free == Reserve(share=0.1)
    assert [str(each) for each in kept.keep] == ["library/*:lts", "acme/**"]
    assert kept.part_ttl == timedelta(hours=2)
    ttls = {proxy.name: proxy.ttl for proxy in config.upstreams}
    assert ttls == {
        "docker.io": timedelta(hours=72),
        "ghcr.io": timedelta(hours=24),
        "quay.io": timedelta(hours=72),
    }
    assert config.names["ghcr.io"].ttl == timedelta(hours=24)


def test_what_is_not_set(read: Read) -> None:
    config = read()

    assert config.proxy.ttl == timedelta(hours=168)
    assert config.retention.max_size is None
    assert config.retention.min_free == Reserve(share=0.01)
    assert config.retention.keep == ()
    assert config.retention.part_ttl == timedelta(hours=24)


@pytest.mark.parametrize(
    ("written", "bytes_of_1000"), [("10%", 100), ("0.5%", 5), ("0", 0), ("0%", 0), ("300B", 300)]
)
def test_what_stays_free_is_a_size_or_a_share(read: Read, written: str, bytes_of_1000: int) -> None:
    assert read(f"retention: {{min_free: {written}}}").retention.min_free.of(1000) == bytes_of_1000


def test_zero_is_for_ever(read: Read) -> None:
    config = read("retention: {part_ttl: 0, upstreams: {docker.io: {ttl: 0}}}")

    assert config.retention.part_ttl is None
    assert config.proxy.ttl is None


def test_variables_override(read: Read) -> None:
    config = read(
        "retention: {max_size: 1GiB}",
        {"REGISTRY_RETENTION_MAX_SIZE": "2GiB", "REGISTRY_RETENTION_KEEP": "[acme/**, 'b:lts']"},
    )

    assert config.retention.max_size == 2 * GIB
    assert [str(each) for each in config.retention.keep] == ["acme/**", "b:lts"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("max_size: 200", "retention.max_size: found '200'; allowed a size with its unit"),
        ("max_size: 5KB", "retention.max_size: found '5KB'; allowed at least 1MiB"),
        ("max_size: 10%", "retention.max_size: found '10%'; allowed a size with its unit"),
        ("min_free: 95%", "retention.min_free: found '95%'; allowed a share from 0% to 90%"),
        ("min_free: much", "retention.min_free: found 'much'; allowed a size such as 20GiB"),
        ("part_ttl: 1s", "retention.part_ttl: found '1s'; allowed 0 (for ever) or a duration"),
        ("keep: ['a b']", "retention.keep.0: found 'a b'; allowed REPOSITORY"),
        ("keep: ['Acme/**']", "retention.keep.0: found 'Acme/**'; allowed REPOSITORY"),
        ("keep: ['sha256:12']", "retention.keep.0: found 'sha256:12'; allowed REPOSITORY"),
        ("ttl: 1h", "retention.ttl: found an unknown key; allowed keep, max_size, min_free"),
        ("upstreams: {ghcr.io: {ttl: 1h}}", "retention.upstreams.ghcr.io: found this name; all"),
        ("upstreams: {docker.io: {ttl: 5}}", "retention.upstreams.docker.io.ttl: found '5'; allow"),
        ("upstreams: {docker.io: 1h}", "retention.upstreams.docker.io: found a single value;"),
    ],
)
def test_mistakes(refuse: Refuse, section: str, said: str) -> None:
    (problem,) = refuse(f"retention: {{{section}}}")

    assert f"config.yml: {said}" in problem
