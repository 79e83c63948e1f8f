"""`client_config --token`: a client's file with a new access token of a user's in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands.shell import Ended, environ_of, run

TOKEN = re.compile(r"mirror_[A-Za-z0-9_-]{43}")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a user `ci`."""
    root = tmp_path_factory.mktemp("tokens") / "root"
    run(("warm", "thing", "--dry-run"), environ_of(root))
    made = run(("user", "create", "ci", "--no-password"), environ_of(root))
    assert made.code == 0, str(made)
    return root


def configure(root: Path, *words: str) -> Ended:
    return run(("client_config", *words), environ_of(root, REGISTRY_UPSTREAMS="{ghcr.io: }"))


def tokens(root: Path) -> list[str]:
    listed = run(("token", "list", "ci", "--json"), environ_of(root))
    return [json.loads(line)["name"] for line in listed.out.splitlines()]


@pytest.mark.parametrize("client", ["containerd", "k3s", "podman"])
def test_the_file_has_a_new_one(root: Path, client: str) -> None:
    ended = configure(root, client, "--token", "--user", "ci")

    assert ended.code == 0, str(ended)
    found = TOKEN.findall(ended.out + ended.err)
    assert len(found) == 1
    said = f"the access token '{client}' of ci is new: it is shown this once, and good for ever\n"
    assert said in ended.err
    assert client in tokens(root)


def test_it_may_have_a_name_and_an_end(root: Path) -> None:
    words = ("--token", "--user", "ci", "--name", "runner-1", "--expires", "90d", "--json")

    ended = configure(root, "containerd", "--registry", "ghcr.io", *words)

    assert ended.code == 0, str(ended)
    facts = json.loads(ended.out)
    assert ended.err == ""
    assert TOKEN.search(facts["content"])
    assert "'runner-1' of ci is new: it is shown this once, and good until " in facts["notes"][0]
    assert "runner-1" in tokens(root)


def test_one_for_each_registry_has_a_name_of_its_own(root: Path) -> None:
    ended = configure(root, "containerd", "--registry", "ghcr.io", "--token", "--user", "ci")

    assert "the access token 'containerd ghcr.io' of ci is new" in ended.err
    again = configure(root, "containerd", "--registry", "ghcr.io", "--token", "--user", "ci")
    assert (again.code, again.out) == (1, "")
    assert "ci has a token 'containerd ghcr.io' already: revoke it, or take another" in again.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--token",), 2, "found --token and no user; allowed is --token --user NAME"),
        (("--user", "ci"), 2, "found --user without --token"),
        (("--token", "--user", "nobody"), 1, "there is no user 'nobody'"),
        (("--token", "--user", "ci", "--name", ""), 1, "allowed 1 to 100 characters"),
        (("--token", "--user", "ci", "--expires", "soon"), 2, "such as 30d"),
        (("--token", "--user", "ci", "--registry", "ghcr.io"), 2, "Docker asks mirrors for docker"),
    ],
)
def test_a_mistake_makes_none(root: Path, words: tuple[str, ...], code: int, told: str) -> None:
    before = tokens(root)

    ended = configure(root, "docker", *words)

    assert (ended.code, ended.out) == (code, ""), str(ended)
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert tokens(root) == before


def test_there_has_to_be_a_mirror(tmp_path: Path) -> None:
    ended = configure(tmp_path / "none", "docker", "--token", "--user", "ci")

    assert (ended.code, ended.out) == (2, "")
    assert not (tmp_path / "none").exists()
