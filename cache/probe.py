"""What the running mirror answers to a client on its own machine.

`python -m cache.probe` is the container's health check: it ends with 0 if the mirror lives. It
needs neither Django nor any connection but one.
"""

from __future__ import annotations

import os
import ssl
import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING

from cache.config import ConfigError, listener, load

if TYPE_CHECKING:
    from cache.config import Address, Http

#: How long the mirror has to answer (seconds).
PATIENCE = 5.0

_LARGEST = 64 * 1024
#: A listener on all addresses is asked by IPv4, which it takes in any case. A container may have no
#: address in IPv6, not even its own, and still such a listener is bound to `::`.
_HERE = {"": "127.0.0.1", listener.ALL_IPV4: "127.0.0.1", listener.ALL_IPV6: "::1"}


def ask(http: Http, path: str) -> tuple[int, bytes]:
    """Status and body of a GET; raises ``OSError`` and ``HTTPException``.

    Whether the certificate is trusted is nobody's question here.
    """
    host, port = where(http)
    with closing(_connection(http, host, port)) as connection:
        connection.request("GET", path, headers={"Accept": "*/*"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST)


def where(http: Http) -> tuple[str, int]:
    """Host and port at which a client on this machine finds the listener."""
    address: Address = http.addr
    return _HERE.get(address.host, address.host), address.port


def lives(http: Http) -> bool:
    """Whether the mirror answers; one that wants a client's certificate says that much."""
    try:
        return ask(http, "/healthz")[0] == 200
    except ssl.SSLError:
        return http.tls is not None and bool(http.tls.clientcas)
    except (OSError, HTTPException):
        return False


def _connection(http: Http, host: str, port: int) -> HTTPConnection:
    if http.tls is None:
        return HTTPConnection(host, port, timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=PATIENCE, context=context)


if __name__ == "__main__":
    try:
        sys.exit(0 if lives(load(None, os.environ).http) else 1)
    except ConfigError as error:
        sys.exit("\n".join(error.problems))
