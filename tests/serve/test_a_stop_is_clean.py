"""Ctrl-C and SIGTERM end every process of the mirror, with exit code 0 and no traceback."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from mirrorsite.stopping import StoppingWorker
from tests.serve.conftest import PATIENCE, Mirror, Start, until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_running(mirror: Mirror, number: int) -> None:
    code = mirror.end(number)

    assert code == 0
    assert not mirror.has_left_processes()
    assert not mirror.listens()
    assert "Traceback" not in mirror.errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_may_come_while_the_mirror_still_starts(start: Start, number: int) -> None:
    mirror = start()
    until(lambda: mirror.output.endswith("\n"), mirror)  # said just before gunicorn is loaded

    code = mirror.end(number)

    assert code == 0
    assert not mirror.has_left_processes()
    assert "Traceback" not in mirror.errors


def test_sigterm_for_the_parent_alone_is_enough(mirror: Mirror) -> None:
    mirror.process.send_signal(signal.SIGTERM)

    assert mirror.process.wait(30) == 0
    assert not mirror.has_left_processes()


def test_ctrl_c_does_not_wait_for_a_client_that_is_in_the_middle_of_a_request(
    start: Start,
) -> None:
    mirror = start(WEB_CONCURRENCY="1")
    mirror.wait_until_it_answers()
    with socket.create_connection(("127.0.0.1", mirror.port)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n" + b"GET / HTTP/1.1\r\nX-Half: ")
        assert slow.recv(65536).startswith(b"HTTP/1.1 ")
        mirror.get("/")  # answered after the half of a request has gone to a thread

        code = mirror.end(signal.SIGINT)

    assert code == 0
    assert "SIGKILL" not in mirror.errors
    assert not mirror.has_left_processes()


def test_ctrl_c_may_come_while_requests_are_handed_to_threads(start: Start) -> None:
    mirror = start(WEB_CONCURRENCY="1", MIRROR_THREADS="100")
    mirror.wait_until_it_answers()
    clients = [socket.create_connection(("127.0.0.1", mirror.port)) for _ in range(60)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nX-Half: ")  # starts a thread

    code = mirror.end(signal.SIGINT)

    for client in clients:
        client.close()
    assert code == 0
    assert not mirror.has_left_processes()


@pytest.fixture
def worker() -> Iterator[StoppingWorker]:
    made = StoppingWorker(0, os.getpid(), [], None, 30, Config(), None)
    made.tpool = made.get_thread_pool()
    made.poller = selectors.DefaultSelector()
    made.method_queue.init()
    yield made
    made.method_queue.close()
    made.poller.close()
    made.tmp.close()


def test_the_handler_waits_for_no_lock_that_the_main_thread_may_hold(
    worker: StoppingWorker,
) -> None:
    handler = threading.Thread(target=worker.handle_quit, args=(signal.SIGQUIT, None))
    with worker.tpool._shutdown_lock:  # held in the middle of ThreadPoolExecutor.submit
        handler.start()
        handler.join(PATIENCE)
        waits = handler.is_alive()

    handler.join(PATIENCE)
    assert not waits


def test_the_handler_raises_nothing_in_what_it_interrupts(worker: StoppingWorker) -> None:
    worker.handle_quit(signal.SIGQUIT, None)

    with pytest.raises(SystemExit):
        worker.wait_for_and_dispatch_events(PATIENCE)


def test_the_main_thread_does_not_sleep_on(worker: StoppingWorker) -> None:
    queue = worker.method_queue
    worker.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
    handler = threading.Timer(0.1, worker.handle_quit, (signal.SIGQUIT, None))
    handler.start()
    started = time.monotonic()

    with pytest.raises(SystemExit):
        worker.wait_for_and_dispatch_events(PATIENCE)

    assert time.monotonic() - started < PATIENCE / 2


def test_a_worker_that_dies_is_replaced(mirror: Mirror) -> None:
    mirror.get("/somewhere")
    booted = mirror.errors.count("Booting worker")

    pid = mirror.errors.rpartition("Booting worker with pid: ")[2].split('"')[0]
    os.kill(int(pid), signal.SIGKILL)

    until(lambda: mirror.errors.count("Booting worker") > booted, mirror)
    assert mirror.get("/somewhere").startswith(b"HTTP/1.1 404 ")
