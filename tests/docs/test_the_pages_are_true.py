"""What the guide shows can be used as it stands: each block is read by what it is for."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from cache.config import Config, load
from cache.config.upstream_keys import UPSTREAM

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The page's fenced blocks in a language, in order."""
    found = BLOCK.findall((DOCS / page).read_text("utf-8"))
    return [content for name, content in found if name == language]


YAML = [
    pytest.param(page, content, id=f"{page}-{number}")
    for page in ("upstreams.md", "configuration.md", "retention.md")
    for number, content in enumerate(blocks(page, "yaml"))
]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files and programs are that the pages speak of."""
    root = tmp_path_factory.mktemp("machine")
    for folder in ("run/secrets", "etc/ssl", "bin"):
        (root / folder).mkdir(parents=True)
    key, certificate = root / "etc/ssl/mirror.key", root / "etc/ssl/mirror.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=mirror.example", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    (root / "etc/ssl/corp.pem").write_bytes(certificate.read_bytes())
    for content in blocks("upstreams.md", "yaml") + blocks("configuration.md", "yaml"):
        for secret in re.findall(r"/run/secrets/([\w.-]+)", content):
            (root / "run/secrets" / secret).write_text('{"not": "a secret"}\n')
        for program in re.findall(r"docker-credential-[\w-]+", content):
            (root / "bin" / program).write_text("#!/bin/sh\n")
            (root / "bin" / program).chmod(0o755)
    return root


def loaded(content: str, machine: Path, tmp_path: Path) -> Config:
    """The block as a whole configuration, on that machine."""
    file = tmp_path / "config.yml"
    for folder in ("/run/secrets/", "/etc/ssl/", "/var/lib/"):
        content = content.replace(folder, f"{machine}{folder}")
    file.write_text(content)
    return load(file, {})


@pytest.mark.parametrize(("page", "content"), YAML)
def test_a_yaml_block_is_a_configuration(
    page: str, content: str, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine / "bin"), prepend=":")

    config = loaded(content, machine, tmp_path)

    assert config.warnings == (), f"{page} shows what is of no use"


def test_the_blocks_say_what_the_page_says(machine: Path, tmp_path: Path) -> None:
    """A sample: that a block can be read does not mean that it is read as the reader does."""
    all_blocks = blocks("upstreams.md", "yaml")

    def config_with(text: str) -> Config:
        (content,) = [block for block in all_blocks if text in block]
        return loaded(content, machine, tmp_path)

    assert config_with("<token>").proxy.username == "<token>"
    assert config_with("robot$mirror").others[0].username == "robot$mirror"
    assert [str(each) for each in config_with("internal-").proxy.allow] == [
        "library/busybox",
        "acme/**",
    ]
    assert config_with("quota_reserve").proxy.quota_reserve == 0.1
    assert config_with("localhost:5001").names["localhost:5001"].remoteurl.startswith("http:")


@pytest.mark.parametrize("page", ["upstreams.md", "configuration.md"])
def test_every_option_of_an_upstream_is_on_the_page(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")

    assert [key for key in UPSTREAM if not re.search(rf"\b{key}\b", text)] == []


@pytest.mark.parametrize("content", blocks("upstreams.md", "toml"))
def test_a_toml_block_is_toml(content: str) -> None:
    assert tomllib.loads(content)


@pytest.mark.parametrize("content", blocks("upstreams.md", "json"))
def test_a_json_block_is_json(content: str) -> None:
    assert json.loads(content)


def test_every_link_leads_somewhere() -> None:
    lost = [
        f"{page.name}: {target}"
        for page in DOCS.glob("*.md")
        for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", page.read_text("utf-8"))
        if not leads_somewhere(page, target)
    ]
    assert lost == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    other = page.parent / name if name else page
    return other.exists() and (not heading or heading in anchors(other))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
