"""Ctrl-C and SIGTERM end every process of the mirror, with exit code 0 and no traceback."""

from __future__ import annotations

import os
import signal
import socket
import threading

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


def test_the_handler_waits_for_no_lock_that_the_main_thread_may_hold() -> None:
    worker = StoppingWorker(0, os.getpid(), [], None, 30, Config(), None)
    worker.tpool = worker.get_thread_pool()

    def quit_at_once() -> None:
        with pytest.raises(SystemExit):
            worker.handle_quit(signal.SIGQUIT, None)

    handler = threading.Thread(target=quit_at_once)
    with worker.tpool._shutdown_lock:  # held in the middle of ThreadPoolExecutor.submit
        handler.start()
        handler.join(PATIENCE)
        waits = handler.is_alive()

    handler.join(PATIENCE)
    worker.tmp.close()
    assert not waits


def test_a_worker_that_dies_is_replaced(mirror: Mirror) -> None:
    mirror.get("/somewhere")
    booted = mirror.errors.count("Booting worker")

    pid = mirror.errors.rpartition("Booting worker with pid: ")[2].split('"')[0]
    os.kill(int(pid), signal.SIGKILL)

    until(lambda: mirror.errors.count("Booting worker") > booted, mirror)
    assert mirror.get("/somewhere").startswith(b"HTTP/1.1 404 ")
