"""The images that a Dockerfile builds on."""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from dockerfile_parse import DockerfileParser

from cache.warm.requests import Found, judged

_SCRATCH = "scratch"
_COMMENT = re.compile(r"\s*#")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2(?=[\s;|&>)]|$)")
_FLAG = re.compile(r"--([a-z-]+)=(\S*)")
_MOUNT_FROM = re.compile(r"(?:^|,)from=([^,]+)")


def images_in_dockerfile(text: str, name: str) -> Iterator[Found]:
    """Those of `FROM`, and of `COPY --from` and `RUN --mount=from=`; stages are none.

    Docker's reference, https://docs.docker.com/reference/dockerfile/: a stage is known by its
    name, in any case of its letters, or by its number, and only below itself.
    """
    stages: set[str] = set()
    for line, instruction, value in _instructions(text):
        where = f"{name}:{line}"
        flags = list(_leading_flags(value))
        if instruction == "FROM":
            words = value.split()[len(flags) :]
            if words and words[0].lower() not in stages | {_SCRATCH}:
                yield judged(words[0], where, dict(flags).get("platform", ""))
            stages.add(str(sum(stage.isdigit() for stage in stages)))
            if len(words) > 2 and words[1].lower() == "as":
                stages.add(words[2].lower())
        elif instruction in ("COPY", "ADD", "RUN"):
            for source in _sources(value):
                if source.lower() not in stages | {_SCRATCH} and not source.isdigit():
                    yield judged(source, where)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name in capitals and value of each instruction."""
    parser = DockerfileParser(fileobj=io.BytesIO(_without_heredocs(text).encode()))
    for found in parser.structure:
        yield found["startline"] + 1, found["instruction"], found["value"]


def _without_heredocs(text: str) -> str:
    """The text with the lines of its here-documents empty: they are files, not instructions."""
    lines = text.splitlines()
    ends = {False: _places(lines), True: _places([line.lstrip("\t") for line in lines])}
    at = 0
    while at < len(lines):
        # Another here-document of the same line begins where the one before it ends.
        markers = [] if _COMMENT.match(lines[at]) else _HEREDOC.findall(lines[at])
        at += 1
        for dash, _, word in markers:
            places = ends[bool(dash)].get(word, [])
            following = bisect_left(places, at)
            if following == len(places):
                break
            end = places[following] + 1
            lines[at:end] = ["#"] * (end - at)
            at = end
    return "\n".join(lines) + "\n"


def _places(lines: list[str]) -> dict[str, list[int]]:
    """Where each line's text stands: looked for anew by each marker, a long file takes for ever."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        places[line].append(number)
    return places


def _leading_flags(value: str) -> Iterator[tuple[str, str]]:
    for word in value.split():
        match = _FLAG.fullmatch(word)
        if match is None:
            return
        yield match[1], match[2]


def _sources(value: str) -> Iterator[str]:
    """What `--from` and `--mount` name, of an instruction that may have several mounts."""
    for flag, given in _leading_flags(value):
        if flag == "from":
            yield given
        elif flag == "mount" and (match := _MOUNT_FROM.search(given)):
            yield match[1]
