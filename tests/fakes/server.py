"""A threaded HTTP/1.1 server on loopback that can be switched off and on at one address."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

JOIN_SECONDS = 10.0


class LoopbackServer(socketserver.TCPServer):
    """Serves each connection on a thread of its own; `cut_off` and `join` end them all."""

    allow_reuse_address = True
    request_queue_size = 512

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, handler)
        self.tls = tls
        self.failures: list[BaseException] = []
        self.halting = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._accepting.start()

    def cut_off(self) -> None:
        """Refuse new connections and break the open ones."""
        self.halting.set()
        self.shutdown()
        self._accepting.join(JOIN_SECONDS)
        self.server_close()
        with self._lock:
            for connection in self._open.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait for the threads of the connections that `cut_off` broke."""
        with self._lock:
            threads = list(self._open)
        for thread in threads:
            thread.join(JOIN_SECONDS)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[thread] = request
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            if self.tls is not None:
                request = self._secured(request, self.tls)
            self.finish_request(request, client_address)
        except OSError:
            pass  # clients that hang up are daily life
        except Exception as error:  # noqa: BLE001 - a bug of the fake: `FakeUpstream.stop` raises it
            self.failures.append(error)
        finally:
            thread = threading.current_thread()
            self._hang_up(self._open[thread])
            with self._lock:
                del self._open[thread]

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        # Wrapping empties the plain socket: `cut_off` must know of the new one at once.
        with self._lock:
            secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open[threading.current_thread()] = secured
        secured.do_handshake()
        return secured

    def _hang_up(self, connection: socket.socket) -> None:
        if isinstance(connection, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                connection.close()
        else:
            self.shutdown_request(connection)


class QuietHandler(BaseHTTPRequestHandler):
    """Keep-alive, no delay, no log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass

    def break_connection(self, *, reset: bool) -> None:
        """End the connection here and now, with a FIN or with a RST."""
        self.close_connection = True
        if reset:
            linger_zero = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
            self.rfile.close()
            self.connection.close()
