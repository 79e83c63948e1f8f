"""Thousands of random and almost-right requests, seeded: each gets the protocol's answer, or none.

No 500, no web page, no traceback; no file outside the store is touched and no secret inside it is
told; upstream is asked for nothing but well-formed paths; the mirror goes on as if nothing was.
"""

from __future__ import annotations

import json
import random
import re
import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.processes import eventually
from tests.faults.clients import Client, Scene, assert_calm, pull, scene

SEED = 3
STRUCTURED = 2500
RAW = 500
CLIENTS = 8
SECRET = b"what no request may bring to light"

DIGEST = "sha256:" + "0" * 64
PATHS = [
    "/v2/",
    "/v2",
    "/v2/_catalog",
    "/v2/a/b/manifests/v1",
    f"/v2/a/b/manifests/{DIGEST}",
    f"/v2/a/b/blobs/{DIGEST}",
    "/v2/a/b/tags/list",
    f"/v2/a/b/referrers/{DIGEST}",
    "/v2/a/b/blobs/uploads/",
    "/",
]
NASTY = [
    "..", "../../../../canary", "%2e%2e%2f", "%2e%2e/", "..%5c", "%00", "%", "%zz", "%ff%fe",
    "%ed%a0%80", "%0d%0aX-Evil:%20y", "%0a", "//", "/./", "\\", ";", "?", "#", "@", ":", "::", "*",
    "{}", "'", '"', "<script>", "A", "-", "_", "~", "\u00e9", "%C3%A9", "%u0041", "a" * 300,
    "a/" * 300, "sha256:", "sha512:" + "f" * 128, "md5:" + "0" * 32, "canary", "%2F", "+", " ",
]  # fmt: skip
QUERIES = [
    "n=1", "n=-1", "n=9999999999999999999", "n=", "n=%00", "n=\u0661", "n=1&n=x", "last=a",
    "last=%00", "last=%ff", "last=" + "a" * 5000, "ns=docker.io", "ns=", "ns=ghcr.io", "ns=%00",
    "ns=%0d%0aX:y", "ns=%C3%A9", "ns=%E2%82%AC", "ns=" + "a" * 5000, "artifactType=%00",
    "artifactType=a/b", "artifactType=" + "%25" * 1000, "&&&===", "&".join(["a=b"] * 1500), "%",
]  # fmt: skip
HEADERS = {
    "Range": [
        "bytes=0-0", "bytes=5-1", "bytes=-", "bytes=-0", "bytes=99999999999999999999-", "lines=1-",
        "bytes=0-0,5-9", "bytes=" + " " * 15_000 + "1", "bytes=-" + "9" * 5000, "\u00b2", "b\u00e9",
        "bytes=" + "0-0," * 3000,
    ],
    "Accept": [
        "*/*", "", ",,,", "a", "/", "*/", "application/*;q=0", "text/html", ";q=" + "9" * 400,
        "a/b;q=nan", "a/b;q=1e999", "a/b," * 3000, "application/json;q=\u00b2", ";" * 9000,
    ],
    "If-None-Match": ["*", '"', 'W/"', f'"{DIGEST}"', ",", '"a",' * 3000, "\u00ff"],
    "If-Range": ["", '"', f'"{DIGEST}"', "Thu, 01 Jan 1970 00:00:00 GMT"],
    "Authorization": ["Basic", "Basic !", "Basic " + "A" * 8000, "Bearer", "Bearer \u00e9"],
    "Host": ["", "a", "a:b", "[::1", "\u00e9", "a" * 5000, "a,b", "m\tn"],
    "Content-Type": ["", "multipart/form-data", "multipart/form-data; boundary=", "a; b=\u00e9"],
    "Content-Length": ["0", "3", "-1", "x", "99999999999999999999999"],
    "Transfer-Encoding": ["chunked", "gzip", "x"],
    "Expect": ["100-continue", "x"],
    "Connection": ["close", "upgrade", "x" * 5000],
    "Upgrade": ["h2c", "websocket"],
    "X-Forwarded-For": ["\u00ff", "a" * 9000],
    "X-Forwarded-Proto": ["https", "\u00e9"],
    "Script-Name": ["/v2", ".."],
    "Cookie": ["a=" + "b" * 9000, "\u00e9", '="'],
}  # fmt: skip
METHODS = (
    ["GET"] * 6 + ["HEAD"] * 3 + ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
)
VERSIONS = ["HTTP/1.1"] * 9 + ["HTTP/1.0", "HTTP/2.0", "HTTP/1.1.1", "http/1.1", ""]

UPSTREAM_PATHS = re.compile(
    r"/v2/(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*/)+"
    r"(?:manifests/\w[\w.:-]*|blobs/sha(?:256|512):[0-9a-f]+|tags/list|referrers/sha(?:256|512):\w+)"
)


def test_a_storm_of_requests() -> None:
    with scene() as target:
        home = target.mirror.root.parent
        for folder in (home, target.mirror.root):
            (folder / "canary").write_bytes(SECRET)
        path, data = target.held_blob("a/b", 5000)
        target.upstream.add_image("a/b", "v1")
        pull(target.mirror, "/v2/a/b/manifests/v1")
        outside, shelves = _outside(target), {entry.name for entry in target.mirror.root.iterdir()}
        workers = target.mirror.workers()

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda sent: (sent, _answer(target, sent)), _requests(path)))

        for sent, answer in answers:
            _check(sent, answer)
        statuses = {answer[9:12] for _, answer in answers if answer}
        assert {b"200", b"206", b"304", b"400", b"404", b"405", b"416", b"431"} <= statuses
        assert pull(target.mirror, path) == data
        assert _outside(target) == outside
        assert {entry.name for entry in target.mirror.root.iterdir()} == shelves
        for seen in target.upstream.requests:
            assert UPSTREAM_PATHS.fullmatch(seen.path), seen
        assert target.mirror.workers() == workers
        eventually(lambda: pull(target.mirror, "/v2/") == b"{}", "it answers")
        assert_calm(target.mirror)


def _requests(path: str) -> list[bytes]:
    random_numbers = random.Random(SEED)
    paths = [*PATHS, *[path] * 4]
    sent = [_range_of(path, "bytes=0-9"), _range_of(path, "bytes=90000-")]
    sent += [_structured(random_numbers, paths) for _ in range(STRUCTURED)]
    sent += [_torn(random_numbers, random_numbers.choice(sent)) for _ in range(RAW)]
    sent += [random_numbers.randbytes(random_numbers.randrange(1, 3000)) for _ in range(RAW // 2)]
    return sent


def _range_of(path: str, value: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: m\r\nRange: {value}\r\n\r\n".encode()


def _structured(rng: random.Random, paths: list[str]) -> bytes:
    """A request with a few things wrong, or none."""
    target = rng.choice(paths)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        target = _mutated(rng, target)
    if rng.random() < 0.4:
        target += "?" + "&".join(rng.sample(QUERIES, rng.choice((1, 1, 2))))
    names = rng.sample(sorted(HEADERS), rng.choice((0, 1, 1, 2, 3)))
    lines = [f"{name}: {rng.choice(HEADERS[name])}" for name in names]
    if "Host" not in names and rng.random() < 0.95:
        lines.insert(0, "Host: m")
    if rng.random() < 0.03:
        lines += [f"X-{number}: {'y' * 100}" for number in range(150)]
    first = f"{rng.choice(METHODS)} {target} {rng.choice(VERSIONS)}"
    body = rng.choice(("", "", "", "abc", "3\r\nabc\r\n0\r\n\r\n"))
    text = "\r\n".join((first, *lines, "", body))
    return text.encode(rng.choice(("utf-8", "latin-1")), "replace")


def _mutated(rng: random.Random, target: str) -> str:
    place = rng.randrange(len(target) + 1)
    match rng.randrange(4):
        case 0:
            return target[:place] + rng.choice(NASTY) + target[place:]
        case 1:
            pieces = target.split("/")
            pieces[rng.randrange(len(pieces))] = rng.choice(NASTY)
            return "/".join(pieces)
        case 2:
            return target[:place] + target[place + 1 :]
        case _:
            return target[:place] + rng.choice(string.printable) + target[place:]


def _torn(rng: random.Random, request: bytes) -> bytes:
    """The bytes of a request with some of them changed, cut out or doubled."""
    torn = bytearray(request)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(torn))
        match rng.randrange(3):
            case 0:
                torn[place] = rng.randrange(256)
            case 1:
                del torn[place : place + rng.randrange(1, 20)]
                torn = torn or bytearray(b"G")
            case _:
                torn[place:place] = torn[place : place + rng.randrange(1, 200)]
    return bytes(torn)


def _answer(target: Scene, sent: bytes) -> bytes:
    with Client(target.mirror) as client:
        try:
            client.say(sent)
            client.socket.shutdown(1)
        except OSError:
            return b""
        return client.rest()


def _check(sent: bytes, answer: bytes) -> None:
    shown = (sent[:300], answer[:600])
    if not answer:
        return
    status = answer[9:12]
    assert answer.startswith(b"HTTP/1."), shown
    assert status[:1] in (b"2", b"3", b"4") or status == b"100", shown
    assert b"<html" not in answer.lower(), shown
    assert b"x-evil" not in answer.partition(b"\r\n\r\n")[0].lower(), shown
    assert SECRET not in answer, shown
    head, _, body = answer.partition(b"\r\n\r\n")
    if status[:1] == b"4" and body.startswith(b"{"):
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        (error,) = json.loads(body[:length])["errors"]
        assert error["code"], shown


def _outside(target: Scene) -> set[Path]:
    """The files near the store that are not the store's."""
    home, root = target.mirror.root.parent, target.mirror.root
    return {each for each in home.rglob("*") if root not in each.parents}
