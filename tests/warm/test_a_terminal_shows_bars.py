"""What an operator sees: bars on a terminal, lines now and then anywhere else."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable

from cache.management.board import Board
from cache.warm import Overview, Standing, State
from tests.e2e.terminal import open_terminal, read_terminal
from tests.fakes.faults import Fault
from tests.fakes.images import build_image
from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm

WIDTH = 110
SIZE = 1_500_000


def test_bars_move_and_give_way_to_what_is_told(upstream: FakeUpstream, warm: Warm) -> None:
    for number in range(3):
        layer = bytes([number]) * SIZE
        upstream.put_image(f"library/tool{number}", build_image((layer,)), "1")
    upstream.misbehave(Fault(bytes_per_second=1_000_000), path="/blobs/")
    upstream.misbehave(Fault(status=503), method="HEAD", path="library/tool2")
    ours, theirs = open_terminal(WIDTH)
    try:
        with warm.start("tool0:1", "tool1:1", "tool2:1", stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = read_terminal(ours, process)
    finally:
        os.close(ours)

    assert process.returncode == 1
    for number in range(2):
        name = re.escape(f"127.0.0.1:{upstream.port}/library/tool{number}:1")
        bars = re.findall(rf"\[#*\.*\] +(\d+)%  {name}  [\d.]+ \w+ of 1\.4 MiB", shown)
        shares = list(map(int, bars))
        assert len(shares) > 3
        assert shares == sorted(shares)
    totals = re.findall(
        r"\[#*\.*\] (\d+)%  [\d.]+ \w+ of [\d.]+ \w+  [\d.]+ \w+/s  \S+ to go  (\d) of 3 images",
        shown,
    )
    assert len(totals) > 3
    screen = on_a_screen(shown)
    assert not [line for line in screen if line.startswith("[")], "no bar stays"
    assert len([line for line in screen if "tool" in line and "here" in line]) == 3
    assert screen[-1].startswith("2 of 3 images are here")


def on_a_screen(shown: str) -> list[str]:
    """The lines that are left, for the few controls that are used."""
    lines, row, column = [""], 0, 0
    for text in re.findall(r"\033\[\d*[AJK]|[\r\n]|[^\033\r\n]+", shown):
        if text == "\r":
            column = 0
        elif text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text.endswith("A") and text.startswith("\033"):
            row -= int(text[2:-1] or 1)
            assert row >= 0
        elif text == "\033[J":
            lines[row] = lines[row][:column]
            del lines[row + 1 :]
        else:
            assert len(text) < WIDTH or "\033" not in text
            lines[row] = lines[row][:column].ljust(column) + text
            column += len(text)
    return [line for line in lines if line]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def overview(*states: State) -> Overview:
    images = tuple(
        Standing(f"i{n}", "docker.io", "", state, total=100, arrived=50)
        for n, state in enumerate(states)
    )
    return Overview(images, total=400, arrived=200, missing=300, missing_blobs=3, brought=100)


def ticking() -> tuple[Callable[[], float], Callable[[float], None]]:
    now = [0.0]
    return (lambda: now[0]), (lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_elsewhere_a_line_each_half_minute() -> None:
    clock, tick = ticking()
    stream = io.StringIO()
    board = Board(stream, clock)

    for _ in range(650):
        tick(0.1)
        board.show(overview(State.FETCHING, State.HERE))

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"50%  200 B of 400 B  \d B/s  0:01:\d\d to go  1 of 2 images", lines[0]), (
        lines[0]
    )


def test_many_images_do_not_fill_the_terminal() -> None:
    clock, tick = ticking()
    stream = Terminal()
    board = Board(stream, clock)

    tick(1)
    board.show(overview(*[State.FETCHING] * 100))

    lines = stream.getvalue().splitlines()
    assert len(lines) == 18
    assert lines[-2] == "and 84 more"


def test_what_is_written_comes_above_the_bars() -> None:
    clock, tick = ticking()
    stream = Terminal()
    board = Board(stream, clock)
    for _ in range(3):
        tick(1)
        board.show(overview(State.FETCHING, State.ASKING))
        board.write("a line of the log\n")
    tick(1)
    board.show(overview(State.FETCHING))

    screen = on_a_screen(stream.getvalue())
    assert screen[:3] == ["a line of the log"] * 3
    assert len(screen) == 5
    board.interrupt()
    assert len(on_a_screen(stream.getvalue())) == 3
