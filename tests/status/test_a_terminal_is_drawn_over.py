"""`status --watch` on a terminal: in place, in the window's size of the moment, left in order."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE
from tests.fakes.upstream import FakeUpstream
from tests.status.conftest import COMMAND, NAME, Watched, environ_for

ENTER, LEAVE, TOP = "\033[?1049h", "\033[?1049l", "\033[H"


class Terminal:
    """A pseudo-terminal with the command in its foreground, as in a window."""

    def __init__(self, environ: dict[str, str], *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(24, 120)
        self.process = subprocess.Popen(
            ("setsid", "--ctty", *COMMAND, "--watch", "--every", "0.2", *arguments),
            cwd=PROJECT,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def frames(self) -> list[list[str]]:
        """What was drawn: of each time the lines."""
        return [
            [line.removesuffix("\033[K") for line in frame.partition("\033[J")[0].split("\r\n")]
            for frame in self.shown.split(TOP)[1:]
            if "\033[J" in frame
        ]

    def read_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.shown[-3000:]
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._ours, 65536).decode()
                except OSError:  # the other end is closed, which a terminal calls EIO
                    self.process.wait(PATIENCE)
                    assert condition(), self.shown[-3000:]

    def end(self) -> int:
        self.read_until(lambda: self.process.poll() is not None)
        self.read_until(lambda: LEAVE in self.shown)
        return self.process.returncode

    def close(self) -> None:
        os.close(self._ours)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture
def terminal(watched: Watched) -> Iterator[Terminal]:
    opened = Terminal(watched.environ)
    yield opened
    opened.close()


def test_it_is_drawn_in_place_until_ctrl_c(terminal: Terminal) -> None:
    terminal.read_until(lambda: len(terminal.frames()) >= 3)
    terminal.press(b"\x03")

    assert terminal.end() == 0
    assert terminal.shown.index(ENTER) < terminal.shown.index(TOP)
    assert terminal.shown.rstrip().endswith(f"\033[?25h{LEAVE}"), "cursor and screen are given back"
    frame = terminal.frames()[-1]
    assert frame[0].startswith("The mirror works.")
    assert any(re.match(rf"\[#+\.+\] +25 %  .*{NAME}", line) for line in frame)
    assert frame[-1] == "Ctrl-C ends this"
    assert "Traceback" not in terminal.shown


def test_it_follows_the_windows_size(terminal: Terminal) -> None:
    terminal.read_until(lambda: len(terminal.frames()) >= 1)
    assert max(map(len, terminal.frames()[0])) > 50
    before = len(terminal.frames())

    terminal.resize(7, 40)

    def is_small() -> bool:
        later = terminal.frames()[before:]
        return bool(later) and len(later[-1]) <= 7 and max(map(len, later[-1])) <= 40

    terminal.read_until(is_small)
    terminal.press(b"\x03")
    assert terminal.end() == 0


def test_a_window_that_changes_is_drawn_at_once(watched: Watched) -> None:
    """Not only when the next look is due, which here is never."""
    terminal = Terminal(watched.environ, "--every", "3600")
    try:
        terminal.read_until(lambda: len(terminal.frames()) == 1)
        terminal.resize(10, 50)
        terminal.read_until(lambda: len(terminal.frames()) == 2)
        terminal.press(b"\x03")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_sigterm_leaves_the_terminal_in_order(terminal: Terminal) -> None:
    terminal.read_until(lambda: len(terminal.frames()) >= 1)
    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.end() == 128 + signal.SIGTERM
    assert terminal.shown.rstrip().endswith(f"\033[?25h{LEAVE}")


def test_a_terminal_that_knows_no_controls_gets_lines(watched: Watched) -> None:
    terminal = Terminal({**watched.environ, "TERM": "dumb"})
    try:
        terminal.read_until(lambda: terminal.shown.count("1 transfers") >= 2)
        assert "\033" not in terminal.shown
    finally:
        terminal.close()


def test_a_mirror_that_is_started_again_is_waited_for(tmp_path: Path) -> None:
    with FakeUpstream() as upstream:
        mirror = Mirror(tmp_path / "root", upstream.url)
        with mirror:
            terminal = Terminal(environ_for(mirror, upstream))
            try:
                terminal.read_until(lambda: "The mirror works." in terminal.shown)
                mirror.stop()
                terminal.read_until(lambda: "no mirror is running" in terminal.shown)
                seen = len(terminal.frames())
                mirror.start()
                terminal.read_until(
                    lambda: any("works" in frame[0] for frame in terminal.frames()[seen:])
                )
                terminal.press(b"\x03")
                assert terminal.end() == 0
            finally:
                terminal.close()
