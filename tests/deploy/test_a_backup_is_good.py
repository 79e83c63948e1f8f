"""The steps on the page make a backup of a mirror that runs; restored elsewhere, it serves."""

from __future__ import annotations

import re
import subprocess
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import build_image
from tests.fakes.upstream import FakeUpstream

PAGE = (PROJECT / "docs" / "operating.md").read_text("utf-8")
LAYER = b"layer of an image" * 10_000


def steps(name: str) -> str:
    """The commands of a block of the page."""
    (found,) = re.findall(rf"^```sh {name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def shell(script: str, **places: Path) -> None:
    subprocess.run(
        ("sh", "-euc", script),
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", **{name: str(path) for name, path in places.items()}},
        check=True,
        timeout=PATIENCE,
    )


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.one_database
def test_a_backup_taken_while_it_runs_serves_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second, backup = tmp_path / "first/root", tmp_path / "second/root", tmp_path / "backup"
    with FakeUpstream() as upstream:
        image = build_image((LAYER,))
        upstream.put_image("library/kept", image, "1")
        large = str(upstream.add_blob("library/large", b"0123456789abcdef" * 200_000))
        gate = Gate()
        upstream.misbehave(Fault(stall=gate, stall_at=1_000_000), method="GET", path=large)
        url = upstream.url
        blobs = {str(image.config_digest): image.config, str(image.layer_digests[0]): LAYER}
        with Mirror(first, upstream.url) as mirror:
            kept = f"{mirror.url}/v2/library/kept"
            manifest = fetch(f"{kept}/manifests/1")
            for digest in blobs:
                fetch(f"{kept}/blobs/{digest}")
            mirror.manage("user", "create", "--no-password", "anna")
            mirror.manage("pin", "library/kept")
            mirror.manage("rotate_keys")
            pull = threading.Thread(
                target=_try_to_fetch, args=(f"{mirror.url}/v2/library/large/blobs/{large}",)
            )
            pull.start()
            gate.wait_until_reached()

            shell(steps("backup"), ROOT=first, BACKUP=backup)

            gate.open()
            pull.join(PATIENCE)

    assert backup.stat().st_mode & 0o777 == 0o700
    shell(steps("restore"), ROOT=second, BACKUP=backup)
    # Upstream is off for good. The registry has the name that it had.
    with Mirror(second, url) as mirror:
        kept = f"{mirror.url}/v2/library/kept"
        assert fetch(f"{kept}/manifests/1") == manifest
        for digest, content in blobs.items():
            assert fetch(f"{kept}/blobs/{digest}") == content
        assert "anna" in mirror.manage("user", "list")
        assert "library/kept" in mirror.manage("pin")
        assert (second / "token_keys.json").read_bytes() == (first / "token_keys.json").read_bytes()
        assert "nothing is wrong" in mirror.manage("verify_store", "--repair")


def _try_to_fetch(url: str) -> None:
    with suppress(OSError):
        fetch(url)
