"""`manage.py status` shows the running mirror: to a person, to a program, once or for a while."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from datetime import datetime
from pathlib import Path

from cache import which_database
from tests.e2e.mirror import PROJECT, WORKERS
from tests.e2e.processes import PATIENCE, environment
from tests.fakes.faults import Fault
from tests.fakes.images import build_image
from tests.status.conftest import COMMAND, HERE, NAME, SIZE, Watched


def test_a_person_sees_the_transfer_and_all_the_rest(watched: Watched) -> None:
    ended = watched.status()

    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    blob = f"{watched.digest[:19]}…"
    assert re.match(rf"The mirror works\.  \({WORKERS} processes, 20\d\d-", lines[0])
    name = f"127.0.0.1:{watched.upstream.port}"
    shown = "\n".join(lines)
    for pattern in (
        r"^now +[\d.]+ requests/s  .*/s to clients  .*/s from upstream",
        r"^24 hours +hit ratio 0 %  0 pulls  ",
        r"^disk +[\d.]+ .iB of [\d.]+ .iB free",
        r"^janitor +(worked|at work, began) .*  freed 0 B in 24 hours$",
        rf"^upstream +{name}  answers",
        r"^transfers +1 under way, ",
        rf"^\[#{{5}}\.{{15}}\] +25 %  {name}/{NAME}  {blob}  1\.9 MiB of 7\.6 MiB  .*/s  ",
        r"  \S+ to go  1 reader$",
    ):
        assert re.search(pattern, shown, re.MULTILINE), (pattern, shown)


def test_a_program_gets_it_all_as_json(watched: Watched) -> None:
    ended = watched.status("--json")

    assert ended.returncode == 0
    (line,) = ended.stdout.splitlines()
    facts = json.loads(line)
    assert facts["verdict"]["state"] == "ok"
    assert facts["processes"] == WORKERS
    (transfer,) = facts["transfers"]
    assert transfer["digest"] == watched.digest
    assert (transfer["size"], transfer["arrived"], transfer["readers"]) == (SIZE, HERE, 1)
    assert facts["janitor"]["state"] == "ok"
    assert datetime.fromisoformat(facts["at"]).tzinfo is not None
    assert facts["totals"]["hit_ratio"] == 0.0
    assert [one["state"] for one in facts["upstreams"]] == ["ok"]
    assert {"requests", "served", "fetched"} == set(facts["rates"])
    assert facts["disk"]["free"] > 0


def test_the_quota_is_shown_with_its_end(watched: Watched) -> None:
    """Whoever pulls tells all processes what is left; the command reads that too."""
    watched.upstream.misbehave(
        Fault(headers={"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}),
        path="/manifests/",
    )
    watched.upstream.put_image("library/tool", build_image((b"layer",)), "1")
    with urllib.request.urlopen(f"{watched.mirror.url}/v2/library/tool/manifests/1") as answer:
        answer.read()

    shown = watched.status().stdout

    assert re.search(r"quota 76 of 100 left, renewed in 5 h \d+ min|renewed in 6 h", shown), shown


def test_it_goes_on_in_plain_lines_where_there_is_no_terminal(watched: Watched) -> None:
    code, out = watch(watched, "--every", "0.2")

    assert code == 0
    assert len(out) >= 3
    for line in out:
        assert re.match(r"\d\d:\d\d:\d\d  1 transfers  1\.9 MiB of 7\.6 MiB  .* arriving", line)


def test_json_goes_on_with_an_object_a_line(watched: Watched) -> None:
    code, out = watch(watched, "--every", "0.2", "--json")

    assert code == 0
    assert [len(json.loads(line)["transfers"]) for line in out] == [1] * len(out)


def watch(watched: Watched, *arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines until Ctrl-C, which comes after the third one."""
    with subprocess.Popen(
        (*COMMAND, "--watch", *arguments),
        cwd=PROJECT,
        env=watched.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        out = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert errors == ""
    return process.returncode, [line.rstrip("\n") for line in out] + rest.splitlines()


def test_nobody_reads_on_and_it_ends(watched: Watched) -> None:
    with subprocess.Popen(
        (*COMMAND, "--watch", "--every", "0.2"),
        cwd=PROJECT,
        env=watched.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_without_a_mirror_it_says_so(tmp_path: Path) -> None:
    never = status_of(tmp_path / "never")
    assert never.returncode == 1
    assert f"no mirror is running in {tmp_path / 'never'}" in never.stderr
    assert not (tmp_path / "never").exists(), "a question makes nothing"

    (tmp_path / "stopped" / "retention").mkdir(parents=True)
    (tmp_path / "stopped" / "retention" / "present-1-0.lock").touch()
    stopped = status_of(tmp_path / "stopped", "--json")
    assert (stopped.returncode, stopped.stdout) == (1, "")


def test_what_may_not_be_read_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "root" / "retention").mkdir(parents=True)
    (tmp_path / "root" / "locks").write_text("no folder")
    ended = status_of(tmp_path / "root")
    assert ended.returncode == 2
    assert "cannot be looked into" in ended.stderr


def status_of(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*COMMAND, *arguments),
        cwd=PROJECT,
        env=environment(
            MIRROR_CONFIG="/dev/null", REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root)
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_database_that_is_away_leaves_the_rest(watched: Watched) -> None:
    """What the processes show of themselves needs none; the exit code says that not all is told."""
    url = "postgresql://m:m@127.0.0.1:1/m"
    wrong = {**watched.environ, "DATABASE_URL": url}
    assert watched.status().returncode == 0
    root = Path(wrong["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"])
    which_database.leave(root, which_database.by_address(url))

    ended = subprocess.run(
        COMMAND, cwd=PROJECT, env=wrong, capture_output=True, text=True, timeout=PATIENCE
    )

    assert ended.returncode == 2, ended.stderr
    assert ended.stdout.startswith("The database does not answer: ")
    assert "1 under way" in ended.stdout
    assert "Traceback" not in ended.stderr
