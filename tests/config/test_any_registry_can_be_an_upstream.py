"""Besides the default upstream there are those that clients name, each with its own options."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config import Proxy
from cache.config.shape import HUB_HOSTS
from tests.config.conftest import Read, Refuse


def test_each_entry_is_an_upstream_in_the_order_written(read: Read) -> None:
    config = read(
        """
        upstreams:
          quay.io: {remoteurl: https://quay.io}
          ghcr.io:
          registry.corp.example:5000: {}
          r.example: {remoteurl: http://10.0.0.1:81/}
          localhost: {}
        """
    )

    assert [(each.name, each.remoteurl) for each in config.others] == [
        ("quay.io", "https://quay.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("registry.corp.example:5000", "https://registry.corp.example:5000"),
        ("r.example", "http://10.0.0.1:81"),
        ("localhost", "https://localhost"),
    ]
    assert config.upstreams == (config.proxy, *config.others)
    assert config.warnings == ()


def test_an_entry_has_the_default_ttl_and_nothing_else_of_the_default_upstream(read: Read) -> None:
    config = read(
        """
        proxy: {ttl: 1h, freshness: 5m, username: me, password: p, on_deleted: keep, offline: true}
        upstreams: {ghcr.io: }
        """
    )

    assert config.others == (
        Proxy(registry="ghcr.io", remoteurl="https://ghcr.io", ttl=timedelta(hours=1)),
    )


@pytest.mark.parametrize("name", sorted(HUB_HOSTS))
def test_docker_hub_need_not_be_the_default(read: Read, name: str) -> None:
    config = read(f"proxy: {{remoteurl: 'https://r.example'}}\nupstreams: {{{name}: }}")

    (hub,) = config.others
    assert (hub.name, hub.remoteurl, hub.is_hub) == (
        "docker.io",
        "https://registry-1.docker.io",
        True,
    )
    assert {config.names[host] for host in HUB_HOSTS} == {hub}
    assert config.names["r.example"] == config.proxy


def test_a_clients_word_goes_before_an_address(read: Read) -> None:
    config = read(
        """
        upstreams:
          a.example: {remoteurl: https://b.example}
          b.example: {remoteurl: https://c.example}
          d.example: {remoteurl: https://registry-1.docker.io}
        """
    )

    assert {word: upstream.name for word, upstream in config.names.items()} == {
        "a.example": "a.example",
        "b.example": "b.example",
        "c.example": "b.example",
        "d.example": "d.example",
        **dict.fromkeys(HUB_HOSTS, "docker.io"),
    }


@pytest.mark.parametrize(
    "name",
    ["GHCR.io", "quay", "a_b", "https://ghcr.io", "ghcr.io/owner", "a:0", "a:65536", "a.b:",
     "-a.b", ".", "me@a.b", "a b.c", "a.\\u00fc"],
)  # fmt: skip
def test_what_is_no_registrys_name(refuse: Refuse, name: str) -> None:
    (problem,) = refuse(f'upstreams: {{"{name}": {{}}}}')

    assert problem.startswith("config.yml: upstreams.")
    assert ": found this name; allowed a registry's " in problem


@pytest.mark.parametrize(
    ("proxy", "name"),
    [
        ("", "docker.io"),
        ("", "index.docker.io"),
        ("", "registry-1.docker.io"),
        ("https://docker.io", "docker.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://r.example:81", "r.example:81"),
    ],
)
def test_the_default_upstream_again_is_a_mistake(refuse: Refuse, proxy: str, name: str) -> None:
    (problem,) = refuse(f"proxy: {{remoteurl: '{proxy}'}}\nupstreams: {{'{name}': }}")

    assert problem == (
        f"config.yml: upstreams.{name}: found the default upstream; allowed other registries: "
        "set the options of this one under proxy"
    )


def test_docker_hub_under_two_names_is_a_mistake(refuse: Refuse) -> None:
    (problem,) = refuse(
        "proxy: {remoteurl: 'https://a.b'}\nupstreams: {docker.io: , index.docker.io: }"
    )

    assert problem.startswith("config.yml: upstreams.index.docker.io: found Docker Hub for the ")


@pytest.mark.parametrize(
    ("content", "start"),
    [
        ("upstreams: ghcr.io", "upstreams: found a single value; allowed a mapping of registries"),
        ("upstreams: [ghcr.io]", "upstreams: found a list; allowed a mapping of registries"),
        ("upstreams: {a.b: 'https://a.b'}", "upstreams.a.b: found a single value; allowed a map"),
        ("upstreams: {a.b: {ttl: 1h}}", "upstreams.a.b.ttl: found an unknown key; allowed "),
        ("upstreams: {a.b: {remote_url: x}}", "upstreams.a.b.remote_url: found an unknown key; "),
        ("upstreams: {a.b: {remoteurl: x}}", "upstreams.a.b.remoteurl: found 'x'; allowed http"),
    ],
)
def test_a_mistake_names_the_entry(refuse: Refuse, content: str, start: str) -> None:
    (problem,) = refuse(content)

    assert problem.startswith(f"config.yml: {start}")


def test_an_entrys_old_name_of_hub_is_replaced_with_a_warning(read: Read) -> None:
    config = read(
        "proxy: {remoteurl: 'https://a.b'}\n"
        "upstreams: {docker.io: {remoteurl: 'https://index.docker.io'}}"
    )

    (warning,) = config.warnings
    assert warning.startswith("config.yml: upstreams.docker.io.remoteurl: https://index.docker.io")
    assert config.others[0].remoteurl == "https://registry-1.docker.io"
