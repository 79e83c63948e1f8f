"""What is logged can be read again: of all processes, the newest first, by level, text, request."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path

import pytest

from cache import request
from cache.logbook import Entry, Query, Writer, count_levels, read
from cache.logbook.writer import MOST_FILES, _sweep
from cache.request import Request


def messages(folder: Path, query: Query | None = None, limit: int = 100) -> list[str]:
    return [entry.message for entry in read(folder, query or Query(), limit)]


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("cache.sample", logging.INFO, __file__, 1, message, None, None)


def newest(folder: Path) -> Entry:
    return read(folder, Query(), 1)[0]


def test_the_newest_come_first(folder: Path, log: logging.Logger) -> None:
    for number in range(5):
        log.info("event %d", number)
    assert messages(folder, limit=3) == ["event 4", "event 3", "event 2"]


def test_a_record_has_its_time_level_logger_process_and_fields(
    folder: Path, log: logging.Logger
) -> None:
    log.warning("a thing happened", extra={"tag": "v1", "size": 7})
    entry = newest(folder)
    assert (entry.level, entry.logger, entry.message) == (
        "warning",
        "cache.sample",
        "a thing happened",
    )
    assert entry.fields == {"tag": "v1", "size": "7"}
    assert entry.at > 0
    assert entry.process > 0


def test_a_defect_keeps_its_traceback(folder: Path, log: logging.Logger) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.exception("it broke")
    assert newest(folder).trace.endswith("ValueError: no such thing")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(level="warning"), ["disk is FULL", "disk is slow"]),
        (Query(text="full"), ["disk is FULL"]),
        (Query(text="is s"), ["disk is slow"]),
        (Query(text="v1"), ["all is well"]),
        (Query(logger="cache"), ["disk is FULL", "disk is slow", "all is well"]),
        (Query(logger="cache.sam"), []),
        (Query(level="error", text="slow"), []),
    ],
)
def test_it_can_be_searched(
    folder: Path, log: logging.Logger, query: Query, found: list[str]
) -> None:
    log.info("all is well", extra={"tag": "v1"})
    log.warning("disk is slow")
    log.error("disk is FULL")
    assert messages(folder, query) == found


def test_a_record_belongs_to_its_request(folder: Path, log: logging.Logger) -> None:
    request.begin(Request("a", "GET", "/v2/one"))
    log.info("first")
    request.begin(Request("b", "GET", "/v2/two"))
    log.info("second")
    request.begin(None)
    log.info("nobody's")
    nobodys, second, _ = read(folder, Query(), 3)
    assert (nobodys.line, second.line) == ("", "GET /v2/two")
    assert messages(folder, Query(request=second.request)) == ["second"]


def test_only_what_came_since_is_asked_for(folder: Path, log: logging.Logger) -> None:
    log.info("old")
    seen = newest(folder).at
    log.info("new")
    assert messages(folder, Query(after=seen)) == ["new"]


def _log_from_another_process(folder: Path) -> None:
    logging.getLogger("cache.sample").warning("from the child")


def test_all_processes_are_in_it_also_forked_ones(folder: Path, log: logging.Logger) -> None:
    log.info("from the parent")
    child = multiprocessing.get_context("fork").Process(
        target=_log_from_another_process, args=(folder,)
    )
    child.start()
    child.join(30)
    entries = read(folder, Query(), 10)
    assert [entry.message for entry in entries] == ["from the child", "from the parent"]
    assert len({entry.process for entry in entries}) == 2
    assert len({entry.id for entry in entries}) == 2


def test_a_process_keeps_a_bounded_past(folder: Path) -> None:
    writer = Writer(folder, largest=2000)
    for number in range(200):
        writer.handle(logging.makeLogRecord({"msg": f"event {number}", "levelname": "INFO"}))
    writer.close()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 4000
    kept = messages(folder)
    assert kept[0] == "event 199"
    assert kept == [f"event {number}" for number in range(199, 199 - len(kept), -1)]


def test_a_line_that_a_kill_cut_short_hides_no_other(folder: Path, log: logging.Logger) -> None:
    log.info("whole")
    (folder / "1.jsonl").write_bytes(b'{"at": 1, "id"')
    assert messages(folder) == ["whole"]


def test_records_are_for_their_owner_only(folder: Path, log: logging.Logger) -> None:
    log.info("x")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    writer = Writer(tmp_path / "logs")
    writer.handle(logging.makeLogRecord({"msg": "lost", "levelname": "INFO"}))
    assert read(tmp_path / "logs", Query(), 1) == []


def test_levels_are_counted_over_time(folder: Path, log: logging.Logger) -> None:
    log.info("one")
    log.error("two")
    log.error("three")
    now = newest(folder).at
    counts = count_levels(folder, now, 60.0, 5)
    assert [count.start for count in counts] == [(now // 60 - n) * 60 for n in (4, 3, 2, 1, 0)]
    assert sum(count.by_level["error"] for count in counts) == 2
    assert sum(count.by_level["info"] for count in counts) == 1


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("sent Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("GET https://user:hunter2@registry.example/v2/", "hunter2"),
        ("GET //user:hunter2@registry.example/v2/", "hunter2"),
        ("path=//user:hunter2@registry.example/v2/", "hunter2"),
        ("https://cdn.example/blob?X-Amz-Signature=0123abcd&x=1", "0123abcd"),
        ("password='hunter2' was given", "hunter2"),
        ('{"token": "s3cr3t"}', "s3cr3t"),
        ("GET /t/mirror_0123456789abcdefghijkl/v2/", "0123456789abcdefghijkl"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(
    folder: Path, log: logging.Logger, message: str, secret: str
) -> None:
    log.info("%s", message, extra={"note": message, "password": "in-a-field"})
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert secret.encode() not in written
    assert b"in-a-field" not in written


@pytest.mark.parametrize("text", ['say "no"', "back\\slash", "grüße", "Tab\there"])
def test_any_text_is_found_however_it_is_written(
    folder: Path, log: logging.Logger, text: str
) -> None:
    log.info("they %s today", text)
    log.info("nothing")
    assert messages(folder, Query(text=text)) == [f"they {text} today"]


def test_requests_do_not_drown_the_rest(folder: Path) -> None:
    writer = Writer(folder, largest=4000)
    writer.handle(logging.makeLogRecord({"msg": "an event", "levelname": "INFO"}))
    for second in range(50):
        for number in range(1000):
            writer.note(Request(f"{second}-{number}", "GET", "/v2/", status=200))
        writer.flush()
    writer.close()

    assert messages(folder) == ["an event"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    found = read(folder, Query(kind="requests"), 10)
    assert [entry.request for entry in found] == [f"49-{number}" for number in range(999, 989, -1)]


def test_a_request_is_found_with_its_records(folder: Path, log: logging.Logger) -> None:
    asked = Request("the-name", "GET", "/t/" + "x" * 43 + "/v2/", agent="Bearer abc.def-ghi")
    request.begin(asked)
    log.info("in the middle")
    request.begin(None)
    (writer,) = (one for one in log.handlers if isinstance(one, Writer))
    writer.note(asked)
    writer.flush()

    found = read(folder, Query(kind="all", request="the-name"), 10)

    assert [entry.message for entry in found] == ["response completed: 0", "in the middle"]
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"x" * 43 not in written
    assert b"abc.def" not in written


def test_the_file_of_a_process_that_runs_is_not_swept(tmp_path: Path) -> None:
    writer = Writer(tmp_path, largest=2000)
    writer.emit(record("first"))
    (own,) = tmp_path.glob("*.jsonl")
    os.utime(own, (1, 1))
    for number in range(2 * MOST_FILES):
        (tmp_path / f"{2**22 + number}.jsonl").touch()

    _sweep(tmp_path, ".jsonl")

    assert own.exists()
    assert len(list(tmp_path.glob("*.jsonl"))) == MOST_FILES + 1
    writer.close()


def test_what_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    writer = Writer(tmp_path, largest=2000)
    writer.emit(record("first"))
    for file in tmp_path.glob("*.jsonl"):
        file.unlink()

    for number in range(100):
        writer.emit(record(f"number {number}"))

    assert "number 99" in "".join(file.read_text() for file in tmp_path.glob("*.jsonl"))
    writer.close()
