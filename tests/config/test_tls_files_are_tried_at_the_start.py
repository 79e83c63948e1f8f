"""Files for TLS are loaded once before the start, so that no client finds out about them first."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.config.conftest import Read, Refuse

pytestmark = pytest.mark.usefixtures("pairs")


def test_a_pair_and_its_authorities_arrive_as_absolute_paths(read: Read, here: Path) -> None:
    tls = read("http: {tls: {certificate: a.pem, key: a.key, clientcas: [a.pem, b.pem]}}").http.tls

    assert tls is not None
    assert (tls.certificate, tls.key) == (here / "a.pem", here / "a.key")
    assert tls.clientcas == (here / "a.pem", here / "b.pem")


@pytest.mark.parametrize(
    ("tls", "start"),
    [
        ("{certificate: a.pem}", "config.yml: http.tls.key: found nothing; "),
        ("{key: a.key}", "config.yml: http.tls.certificate: found nothing; "),
        ("{clientcas: [a.pem]}", "config.yml: http.tls.certificate: found nothing; "),
        ("{certificate: a.pem, key: b.key}", "config.yml: http.tls: found files that do not load"),
        ("{certificate: a.pem, key: a.pem}", "config.yml: http.tls: found files that do not load"),
        ("{certificate: a.pem, key: c.key}", "config.yml: http.tls.key: found 'c.key'; "),
        (
            "{certificate: a.pem, key: a.key, clientcas: [b.pem, a.key]}",
            "config.yml: http.tls.clientcas.1: found 'a.key'; ",
        ),
    ],
)
def test_files_that_do_not_fit_stop_the_start(refuse: Refuse, tls: str, start: str) -> None:
    (problem,) = refuse(f"http: {{tls: {tls}}}")

    assert problem.startswith(start)


def test_a_key_with_a_password_is_refused_without_asking(refuse: Refuse, here: Path) -> None:
    subprocess.run(
        ["openssl", "ec", "-in", "a.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"],
        cwd=here, check=True, capture_output=True,
    )  # fmt: skip

    (problem,) = refuse("http: {tls: {certificate: a.pem, key: locked.key}}")

    assert "not encrypted" in problem
