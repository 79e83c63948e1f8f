"""Sending an answer, or what the fault in force makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.answering import Answer, answer
from tests.fakes.certificates import certificate_name
from tests.fakes.record import Seen
from tests.fakes.server import LoopbackServer, QuietHandler

if TYPE_CHECKING:
    from tests.fakes.faults import Fault
    from tests.fakes.upstream import FakeUpstream

SLICE = 256 * 1024


def handler_for(upstream: FakeUpstream) -> type[QuietHandler]:
    """The request handler class of this fake."""

    class Handler(QuietHandler):
        server: LoopbackServer

        def do_GET(self) -> None:  # noqa: N802 - the base class dispatches to this name
            seen = _read(self)
            upstream.record.add(seen)
            fault = upstream.faults.for_request(self.command, seen.target)
            if fault.hold is not None:
                fault.hold.pass_through()
            given = answer(upstream, seen, ignore_range=fault.ignore_range)
            _deliver(self, upstream, _spoilt(given, fault), fault)

        do_HEAD = do_GET  # noqa: N815 - see do_GET
        do_POST = do_GET  # noqa: N815

    return Handler


def _read(handler: QuietHandler) -> Seen:
    path, _, query = handler.path.partition("?")
    headers: dict[str, str] = {}
    for name, value in handler.headers.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    body = handler.rfile.read(int(headers.get("content-length", "0")))
    shown = certificate_name(handler.connection)
    return Seen(handler.command, path, query, headers, handler.client_address, body, shown)


def _spoilt(given: Answer, fault: Fault) -> Answer:
    """The answer with the fault's status, headers and bytes."""
    if fault.status is not None:
        given = Answer(fault.status, fault.body)
    gone = {name.lower() for name in (*fault.without, *fault.headers)}
    headers = {name: value for name, value in given.headers.items() if name.lower() not in gone}
    body = given.body
    if fault.wrong_byte_at is not None:
        changed = bytearray(body)
        changed[fault.wrong_byte_at] ^= 0xFF
        body = bytes(changed)
    return replace(given, headers={**headers, **fault.headers}, body=body)


def _deliver(handler: QuietHandler, upstream: FakeUpstream, given: Answer, fault: Fault) -> None:
    if fault.cut_after is not None and fault.cut_after < 0:
        handler.break_connection(reset=fault.reset)
        return
    _send_head(handler, given, fault)
    if handler.command == "HEAD" or given.status == 304:
        return
    for piece in _pieces(memoryview(given.body), fault):
        _send(handler, piece, fault)
        upstream.record.add_bytes(len(piece))
    if fault.cut_after is not None:
        handler.break_connection(reset=fault.reset)
    elif fault.chunked:
        handler.wfile.write(b"0\r\n\r\n")


def _send_head(handler: QuietHandler, given: Answer, fault: Fault) -> None:
    if "Date" in given.headers:
        handler.send_response_only(given.status)
    else:
        handler.send_response(given.status)
    for name, value in given.headers.items():
        handler.send_header(name, value)
    for challenge in given.challenges:
        handler.send_header("WWW-Authenticate", challenge)
    named = {name.lower() for name in given.headers}
    if fault.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif fault.until_close:
        handler.send_header("Connection", "close")
    elif "content-length" not in named and "Content-Length" not in fault.without:
        handler.send_header("Content-Length", str(len(given.body)))
    handler.end_headers()


def _pieces(body: memoryview, fault: Fault) -> Iterator[memoryview]:
    """The body in slices that end exactly where it stalls and where it is cut."""
    end = len(body) if fault.cut_after is None else min(fault.cut_after, len(body))
    size = SLICE if fault.bytes_per_second is None else max(1, fault.bytes_per_second // 20)
    sent = 0
    while sent < end or fault.stall is not None:
        if fault.stall is not None and sent == min(fault.stall_at, end):
            fault.stall.pass_through()
            fault = replace(fault, stall=None)
            continue
        goal = end if fault.stall is None else min(fault.stall_at, end)
        following = min(sent + size, goal)
        yield body[sent:following]
        sent = following


def _send(handler: QuietHandler, piece: memoryview, fault: Fault) -> None:
    if fault.chunked:
        handler.wfile.write(b"%x\r\n" % len(piece))
    handler.wfile.write(piece)
    if fault.chunked:
        handler.wfile.write(b"\r\n")
    if fault.bytes_per_second is not None:
        server = handler.server
        assert isinstance(server, LoopbackServer)
        server.halting.wait(len(piece) / fault.bytes_per_second)
