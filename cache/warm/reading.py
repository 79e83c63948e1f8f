"""Which images a file names, whatever kind of file it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from cache.warm.dockerfiles import images_in_dockerfile
from cache.warm.documents import images_in_documents
from cache.warm.requests import Found, Unreadable, judged

LARGEST_BYTES = 16 * 1024**2

_DOCKERFILE_NAME = re.compile(r"(?:.*[./])?(?:dockerfile|containerfile)(?:\.[^/]*)?", re.IGNORECASE)
_YAML_NAME = re.compile(r".*\.(?:ya?ml|json)", re.IGNORECASE)
_INSTRUCTION = re.compile(r"(?:FROM|ARG)\s", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#.*")
# A line that is a key, an item, a document's mark, or the beginning of a JSON value.
_YAML_LINE = re.compile(r"---|%|[\[{]|-\s|[^\s:]+:\s*$|[^\s:]+:\s")


def images_in_file(file: BinaryIO, name: str) -> tuple[Found, ...]:
    """The images that an open file names, in its order; raises :class:`Unreadable`.

    What it is follows from its name (`Dockerfile`, `x.yaml`) or, without one that tells, from
    what its first line says. ``name`` also stands in front of the places that it is found in.
    """
    content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise Unreadable(f"it has more than {LARGEST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not a text in UTF-8") from None
    if "\0" in text:
        raise Unreadable("it is not a text")
    return tuple(_images(text, name))


def _images(text: str, name: str) -> Iterator[Found]:
    first = next(filter(None, map(_meant, text.splitlines())), "")
    if _YAML_NAME.fullmatch(name):
        yield from images_in_documents(text, name)
    elif _DOCKERFILE_NAME.fullmatch(name) or _INSTRUCTION.match(first):
        yield from images_in_dockerfile(text, name)
    elif _YAML_LINE.match(first):
        yield from images_in_documents(text, name)
    else:
        yield from _images_in_list(text, name)


def _images_in_list(text: str, name: str) -> Iterator[Found]:
    for number, line in enumerate(text.splitlines(), 1):
        if written := _meant(line):
            yield judged(written, f"{name}:{number}")


def _meant(line: str) -> str:
    """A line without its comment and the space around it."""
    return _COMMENT.sub("", line).strip()
