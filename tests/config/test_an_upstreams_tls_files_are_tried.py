"""An upstream's authority and client certificate are loaded once before the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.conftest import Read, Refuse

pytestmark = pytest.mark.usefixtures("pairs")


def test_they_arrive_as_absolute_paths(read: Read, here: Path) -> None:
    config = read(
        """
        proxy: {ca: b.pem}
        upstreams: {a.b: {ca: b.pem, client_certificate: a.pem, client_key: a.key}}
        """
    )

    assert (config.proxy.ca, config.proxy.client_certificate) == (here / "b.pem", None)
    (other,) = config.others
    assert (other.ca, other.client_certificate, other.client_key) == (
        here / "b.pem",
        here / "a.pem",
        here / "a.key",
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("ca: none.pem", "ca: found 'none.pem'; allowed the path of a readable file"),
        ("ca: a.key", "ca: found 'a.key'; allowed PEM certificates"),
        ("client_certificate: a.pem", "client_key: found nothing; allowed a PEM file"),
        ("client_key: a.key", "client_certificate: found nothing; allowed a PEM file"),
        (
            "client_certificate: a.pem, client_key: c.key",
            "client_key: found 'c.key'; allowed the path of a readable file",
        ),
        (
            "client_certificate: a.pem, client_key: b.key",
            "client_certificate: found files that do not load",
        ),
        (
            "remoteurl: 'http://a.b', ca: a.pem",
            "ca: found a file for TLS; allowed none with an http:// remoteurl",
        ),
    ],
)
@pytest.mark.parametrize(
    ("section", "name"), [("proxy: {%s}", "proxy"), ("upstreams: {x.y: {%s}}", "upstreams.x.y")]
)
def test_files_that_do_not_fit_stop_the_start(
    refuse: Refuse, section: str, name: str, options: str, problem: str
) -> None:
    (found,) = refuse(section % options)

    assert found.startswith(f"config.yml: {name}.{problem}")


def test_a_client_certificate_needs_https(refuse: Refuse) -> None:
    problems = refuse(
        "proxy: {remoteurl: 'http://a.b', client_certificate: a.pem, client_key: a.key}"
    )

    assert [problem.split(": found")[0] for problem in problems] == [
        "config.yml: proxy.client_certificate",
        "config.yml: proxy.client_key",
    ]
