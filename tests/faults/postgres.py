"""A PostgreSQL of the test's own, which it can stop and start again."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import psycopg

from tests.e2e.parts import require
from tests.e2e.processes import Daemon, environment, free_port, run

if TYPE_CHECKING:
    from pathlib import Path

USER = "postgres"


class Postgres(Daemon):
    """A server on loopback with an empty database in `home`, which must be empty.

    `settings` are of its postgresql.conf.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        require("initdb", "postgres", "setpriv")
        port = free_port()
        self.url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        data = home / "postgres"
        data.mkdir(mode=0o700)
        # It refuses to run as root.
        become: tuple[str, ...] = ()
        if os.geteuid() == 0:
            shutil.chown(home, USER)
            shutil.chown(data, USER, USER)
            become = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--")
        # As most are made: texts are ordered by a language's rules, and not by their characters.
        order = ("--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US")
        run(*become, "initdb", "-D", str(data), "-U", USER, "-A", "trust", "--no-sync", *order)
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
            **settings,
        }
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        super().__init__(
            (*become, "postgres", "-D", str(data), *options),
            home / "postgres.log",
            self._answers,
            env=environment(),
        )

    def stop(self) -> None:
        """End it at once, whoever is connected. A no-op when it does not run."""
        if self.runs:
            os.kill(self.pid, signal.SIGINT)
            self.wait()

    def query(self, text: str, *parameters: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(text.encode(), parameters).fetchall()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
