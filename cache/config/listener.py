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
_NOBODY = ("192.0.2.1", 9)


class CannotListen(Exception):
    """Nobody could connect there; the message is a sentence for the operator."""


def binding(address: Address) -> Address:
    """The address to bind: `:5000` is every address of this machine, IPv6 too where it has it."""
    if address.host:
        return address
    return replace(address, host=ALL_IPV6 if _takes_both() else ALL_IPV4)


def check(address: Address) -> None:
    """Raise CannotListen unless `address` can be bound just now."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address.host, address.port))
            trial.listen(1)
        except OSError as error:
            raise CannotListen(_sentence(address, error)) from None


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


def _sentence(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {address.port} is in use: another program listens on {address}; "
            "stop it, or set http.addr to another port"
        )
    if error.errno == errno.EACCES:
        return f"port {address.port} needs a privilege that this user does not have; set http.addr"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {address.host}; set http.addr to one that it has"
    return f"cannot listen on {address}: {error.strerror or error}; set http.addr"
