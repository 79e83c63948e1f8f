"""The clients that measure, each run as a process of its own: `python -m bench.client`.

`sink URL` downloads once and prints "bytes seconds"; `rate URL CONNECTIONS SECONDS` asks again and
again and prints answers per second.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from threading import Barrier
from urllib.parse import urlsplit

from bench.plan import MIB
from cache.oci.media_types import ACCEPT

ANSWER_SECONDS = 60.0


def download(url: str) -> tuple[int, float]:
    """The bytes of the body, and the seconds from connecting to its end.

    The bytes are dropped as they come: hashing them would measure this client.
    """
    buffer = bytearray(MIB)
    begun = time.perf_counter()
    with closing(_connect(url)) as connection:
        connection.request("GET", urlsplit(url).path)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise SystemExit(f"{url} was answered with {response.status}")
        size = 0
        while count := response.readinto(buffer):
            size += count
    return size, time.perf_counter() - begun


def ask_repeatedly(url: str, connections: int, seconds: float) -> float:
    """Whole answers per second over so many connections that stay open."""
    together = Barrier(connections)

    def ask() -> int:
        answers = 0
        with closing(_connect(url)) as connection:
            connection.connect()
            together.wait(ANSWER_SECONDS)
            deadline = time.perf_counter() + seconds
            while time.perf_counter() < deadline:
                connection.request("GET", urlsplit(url).path, headers={"Accept": ACCEPT})
                response = connection.getresponse()
                response.read()
                if response.status != HTTPStatus.OK:
                    raise SystemExit(f"{url} was answered with {response.status}")
                answers += 1
        return answers

    with ThreadPoolExecutor(connections) as pool:
        asking = [pool.submit(ask) for _ in range(connections)]
    return sum(each.result() for each in asking) / seconds


def _connect(url: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sink", address]:
            print(*download(address))
        case ["rate", address, count, duration]:
            print(ask_repeatedly(address, int(count), float(duration)))
        case _:
            raise SystemExit(__doc__)
