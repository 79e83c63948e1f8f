"""Connections on which nothing is asked cost no thread: a thousand of them hold up nobody."""

from __future__ import annotations

from contextlib import ExitStack

from cache.config.capacity import raise_open_files
from tests.faults.clients import Client, assert_calm, pull, scene

COUNT = 1000


def test_new_ones_and_used_ones_wait_without_a_thread() -> None:
    raise_open_files()
    with scene(MIRROR_THREADS="10") as small, ExitStack() as stack:
        path, data = small.held_blob("held", 1024)
        clients = [stack.enter_context(Client(small.mirror)) for _ in range(COUNT)]

        assert pull(small.mirror, path) == data  # while none of the others has said anything

        for client in clients:
            client.ask("/v2/")
        for client in clients:
            assert client.head().startswith(b"HTTP/1.1 200 ")
            assert client.socket.recv(2) == b"{}"
        assert pull(small.mirror, path) == data  # while all of them are kept alive
        for client in reversed(clients):
            client.ask("/v2/")
            assert client.head().startswith(b"HTTP/1.1 200 ")
        assert_calm(small.mirror)
