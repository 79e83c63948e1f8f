"""Where the mirror listens, as sockets take it and as people read it."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cache.config.shape import Address

if TYPE_CHECKING:
    from cache.config.shape import Http

ALL_IPV4 = "0.0.0.0"  # noqa: S104 - what an operator asks for with ":5000"
ALL_IPV6 = "::"
_EVERYWHERE = frozenset({"", ALL_IPV4, ALL_IPV6})
_ONLY_IPV6 = Path("/proc/sys/net/ipv6/bindv6only")
# RFC 5737: an address that is nobody's. Connecting a datagram socket sends nothing; it only asks
# the system which of its own addresses it would send from.
#: So many connections may wait to be accepted.
_WAITING = 64
_NOBODY = ("192.0.2.1", 9)


class CannotListen(Exception):
    """Nobody could connect there; the message is a sentence for the operator."""


def binding(address: Address) -> Address:
    """The address to bind: `:5000` is every address of this machine, IPv6 too where it has it."""
    if address.host:
        return address
    return replace(address, host=ALL_IPV6 if _takes_both() else ALL_IPV4)


def check(address: Address, key: str = "http.addr") -> None:
    """Raise CannotListen unless `address`, which `key` has set, can be bound just now."""
    listen(address, key).close()


def listen(address: Address, key: str = "http.addr") -> socket.socket:
    """A socket that listens there. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
        listening.listen(_WAITING)
    except OSError as error:
        listening.close()
        raise CannotListen(_sentence(address, error, key)) from None
    return listening


def url(http: Http) -> str:
    """The mirror's own address for a client: for a listener on all addresses, a likely one."""
    address = http.addr
    if address.host in _EVERYWHERE:
        address = replace(address, host=_own_address())
    return f"{'https' if http.tls else 'http'}://{address}"


def _takes_both() -> bool:
    """Whether a socket bound to `::` takes IPv4 clients too, and can be made at all."""
    try:
        if _ONLY_IPV6.read_text(encoding="ascii").strip() != "0":
            return False
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind((ALL_IPV6, 0))
    except OSError:
        return False
    return True


def _own_address() -> str:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(_NOBODY)
            host: str = asking.getsockname()[0]
    except OSError:
        return socket.gethostname()
    return host if not host.startswith("127.") else socket.gethostname()


def _sentence(address: Address, error: OSError, key: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {address.port} is in use: another program listens on {address}; "
            f"stop it, or set {key} to another port"
        )
    if error.errno == errno.EACCES:
        return f"port {address.port} needs a privilege that this user does not have; set {key}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {address.host}; set {key} to one that it has"
    return f"cannot listen on {address}: {error.strerror or error}; set {key}"
