"""`manage.py import_registry` as an operator runs it, and the folders that it is given."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e import skopeo
from tests.e2e.mirror import PROJECT
from tests.e2e.processes import PATIENCE, environment, eventually, scratch
from tests.e2e.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cache.oci.digest import Digest

TREE = "docker/registry/v2"


@contextmanager
def pulled_through(upstream_url: str, *references: str) -> Iterator[Path]:
    """The folder of a pull-through docker-registry through which these were pulled whole."""
    with scratch("cache") as home:
        with Registry(home, REGISTRY_PROXY_REMOTEURL=upstream_url) as registry:
            for reference in references:
                folder = home / "pulled"
                skopeo.copy(registry.address, reference, folder, "--all")
                shutil.rmtree(folder)
            # It writes its tags and its schedule a moment after it has answered.
            schedule = registry.root / "scheduler-state.json"
            eventually(schedule.exists, "the schedule is kept")
            for reference in references:
                name, _, tag = reference.partition(":")
                link = folder_of(registry.root, name) / "_manifests/tags" / tag / "current/link"
                eventually(link.exists, f"the tag of {reference} is kept")
        yield registry.root


def folder_of(root: Path, name: str) -> Path:
    """Where the folder keeps what a repository has."""
    return root / TREE / "repositories" / name


def data_of(root: Path, digest: Digest) -> Path:
    """Where the folder keeps a blob or manifest."""
    return root / TREE / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex / "data"


def stored(root: Path, digest: Digest) -> Path:
    """Where the mirror keeps a blob."""
    return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def started(root: Path, folder: Path, *options: str, **settings: str) -> subprocess.Popen[str]:
    """An import into the mirror's `root`, which nobody waits for yet.

    `settings` are the mirror's: `REGISTRY_...` variables.
    """
    return subprocess.Popen(
        # Where the tests run in the background, the shell has them ignore Ctrl-C.
        (
            *("env", "--default-signal=INT", sys.executable, "manage.py", "import_registry"),
            *(str(folder), *options),
        ),
        cwd=PROJECT,
        env=environment(
            MIRROR_CONFIG="/dev/null",
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
            **settings,
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def imported(root: Path, folder: Path, *options: str, **settings: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of an import into the mirror's `root`."""
    with started(root, folder, *options, **settings) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def summary(out: str) -> dict[str, Any]:
    """What `--json` says at the end."""
    found: dict[str, Any] = json.loads(out.splitlines()[-1])["summary"]
    return found
