"""Where the health check asks: every listener can be reached there, also in a container."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from cache.config import Address, Http
from cache.probe import where
from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require, require_root
from tests.e2e.processes import environment


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("127.0.0.3", "127.0.0.3"),
        ("mirror.example", "mirror.example"),
    ],
)
def test_an_address_of_this_machine_is_asked(host: str, asked: str) -> None:
    assert where(Http(addr=Address(host, 5000))) == (asked, 5000)


#: As in a container on Docker's own network.
WITHOUT_IPV6 = "ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1; exec"

LISTEN_AND_ASK = """
import socket
from cache.config import Address, Http, listener
from cache.probe import where
address = Address("", 5000)
bound = listener.binding(address).host
family = socket.AF_INET6 if ":" in bound else socket.AF_INET
with socket.socket(family) as server:
    server.bind((bound, 5000))
    server.listen()
    socket.create_connection(where(Http(addr=address)), 5).close()
"""


def test_it_is_reached_where_there_is_no_ipv6() -> None:
    require("unshare", "ip", "sysctl")
    require_root()
    python = f'{sys.executable} -c "$0"'

    ended = subprocess.run(
        (shutil.which("unshare") or "unshare", "--net", "sh", "-c", f"{WITHOUT_IPV6} {python}",
         LISTEN_AND_ASK),
        cwd=PROJECT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
