"""A folder to start in, and the reading of a configuration that stands in it."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from cache.config import Config, ConfigError, load
from tests.e2e.parts import require

Read: TypeAlias = Callable[..., Config]
Refuse: TypeAlias = Callable[..., tuple[str, ...]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def read(here: Path) -> Read:
    """Read `content` as ./config.yml, under an environment."""

    def read(content: str = "", environ: Mapping[str, str] | None = None) -> Config:
        (here / "config.yml").write_text(textwrap.dedent(content), "utf-8")
        return load(None, environ or {})

    return read


@pytest.fixture
def refuse(read: Read) -> Refuse:
    """The problems for which `content` and the environment are refused."""

    def refuse(content: str = "", environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as refused:
            read(content, environ)
        return refused.value.problems

    return refuse


@pytest.fixture
def pairs(here: Path) -> None:
    """Two certificates with their keys: a.pem, a.key, b.pem, b.key."""
    require("openssl")
    for name in ("a", "b"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=here, check=True, capture_output=True,
        )  # fmt: skip
