"""A base image made of the Debian packages that are installed here: no registry is reached.

It stands for `python:3.11-slim-bookworm`. Beside the packages it holds the wheels that the image is
built of, and settings by which pip takes them from there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from tests.e2e.mirror import PROJECT
from tests.e2e.processes import run

#: A shell, a few commands, and Python with what it needs to make a virtual environment.
SYSTEM = ("base-files", "bash", "dash", "coreutils", "ca-certificates", "util-linux")
PACKAGES = ("base-files", "bash", "dash", "coreutils", "ca-certificates", "python3-venv")

#: What only the making of a package, or a system that boots, needs of them.
NOT_NEEDED = frozenset({"debconf", "perl-base", "dpkg", "tar", "gpgv", "systemd"})
NOT_SHIPPED = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/")

#: Where `/` has links to folders below `/usr`.
TOP_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

WHEELS = "/wheels"
SETTINGS = ("ENV PIP_NO_INDEX=1", f"ENV PIP_FIND_LINKS={WHEELS}", "ENV PATH=/usr/bin:/bin")


def make_base(archive: Path, wheels: Path) -> None:
    """Write the image's files to `archive`, for `docker import`; `wheels` is a folder."""
    with _system(archive, PACKAGES) as tar:
        for wheel in sorted(wheels.iterdir()):
            tar.add(wheel, f"{WHEELS}/{wheel.name}".lstrip("/"))


def make_stand_in(archive: Path, package: str, start: str) -> None:
    """The same for an image of one package, with its own beginning: the script `/start`."""
    with _system(archive, (*SYSTEM, package)) as tar:
        _add(tar, "start", start, 0o755)


@contextmanager
def _system(archive: Path, packages: tuple[str, ...]) -> Iterator[tarfile.TarFile]:
    files = {
        _inside(path): path for package in _with_dependencies(packages) for path in _files(package)
    }
    files |= {_inside(path): path for path in Path("/etc/ssl/certs").iterdir()}
    files |= {name: link for name in TOP_LINKS if (link := Path("/", name)).is_symlink()}
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(files.items()):
            tar.add(path, name, recursive=False)
        # Of the machine's own users and settings, none.
        _add(tar, "etc/passwd", "root:x:0:0::/root:/bin/sh\nserver:x:100:100::/:/bin/sh\n")
        _add(tar, "etc/group", "root:x:0:\nserver:x:100:\n")
        yield tar


def _add(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text), mode
    tar.addfile(info, BytesIO(text.encode()))


def gather_wheels(folder: Path) -> None:
    """The wheels that `requirements/` names, as pip has them on this machine."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for name in ("runtime.txt", "fast.txt"):
        subprocess.run(
            (
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--require-hashes", "--dest", str(folder)),
                *("-r", str(PROJECT / "requirements" / name)),
            ),
            env=environment,
            # The parser in C is an extra, here as well.
            check=name == "runtime.txt",
            capture_output=True,
        )


def _with_dependencies(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name in NOT_NEEDED:
            continue
        said = _query("${Status}|${Pre-Depends}, ${Depends}", name)
        status, _, depends = said.partition("|")
        if not status.endswith(" installed"):
            continue
        found.add(name)
        for choice in depends.split(","):
            # Of alternatives, those that are installed: the others say so when their turn comes.
            waiting += re.findall(r"(?:^|\|)\s*([a-z0-9][a-z0-9+.-]+)", choice)
    return found


def _query(form: str, package: str) -> str:
    asked = subprocess.run(
        ("dpkg-query", "--show", f"--showformat={form}", package), capture_output=True, text=True
    )
    # A package that is installed for two architectures answers twice.
    return asked.stdout


def _files(package: str) -> list[Path]:
    paths = run("dpkg-query", "--listfiles", package).splitlines()
    return [
        path
        for text in paths
        if text.startswith("/") and text != "/." and not text.startswith(NOT_SHIPPED)
        if os.path.lexists(path := Path(text))
    ]


def _inside(path: Path) -> str:
    """The name in the archive: below `/usr` what the links in `/` lead there."""
    parts = path.parts[1:]
    if parts[0] in TOP_LINKS and len(parts) > 1:
        parts = ("usr", *parts)
    return str(Path(*parts))
