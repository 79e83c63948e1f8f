"""`manage.py doctor` beside a mirror that speaks TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import database
from tests.serve.conftest import PATIENCE, ROOT, Start, until

pytestmark = pytest.mark.usefixtures("certificates")

TLS = "{certificate: mirror.pem, key: mirror.key}"


def _said(tmp_path: Path, port: int, **environ: str) -> str:
    ended = subprocess.run(
        (sys.executable, str(ROOT / "manage.py"), "doctor"),
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "MIRROR_CONFIG": "/dev/null",
            "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
            "REGISTRY_HTTP_TLS": TLS,
            "REGISTRY_PROXY_REMOTEURL": "http://127.0.0.1:1",
            **database.variables(tmp_path / "data"),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "Traceback" not in ended.stderr
    return ended.stdout


def test_a_certificate_is_trusted_or_not(start: Start, tmp_path: Path) -> None:
    mirror = start(REGISTRY_HTTP_TLS=TLS)
    until(mirror.listens, mirror)

    strange = _said(tmp_path, mirror.port)
    known = _said(tmp_path, mirror.port, SSL_CERT_FILE=str(tmp_path / "mirror.pem"))

    assert "the mirror is ready" in strange
    assert "it is not trusted here for 127.0.0.1" in strange
    assert "it is trusted here, for 127.0.0.1" in known


def test_what_speaks_no_tls_is_not_the_mirror(start: Start, tmp_path: Path) -> None:
    mirror = start()
    until(mirror.listens, mirror)

    assert "what listens there speaks no TLS" in _said(tmp_path, mirror.port)


def test_where_clients_need_a_certificate_no_more_is_tried(start: Start, tmp_path: Path) -> None:
    tls = "{certificate: mirror.pem, key: mirror.key, clientcas: [client.pem]}"
    mirror = start(REGISTRY_HTTP_TLS=tls)
    until(mirror.listens, mirror)

    said = _said(tmp_path, mirror.port, REGISTRY_HTTP_TLS=tls)

    assert "it asks for clients' certificates" in said
