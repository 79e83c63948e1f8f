"""Who takes part in a run: the content, nginx, and the mirrors, started when a case wants them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bench.content import Content, Image
from bench.load import Asking, Crowd, Request, rate
from bench.nginx import Nginx, nginx
from bench.plan import MIB, Plan
from bench.systems import System, docker_registry, mirrorsite
from bench.table import Values, in_rounds
from tests.fakes.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

WARM_UP_SECONDS = 1


@dataclass
class Stage:
    """All that cases share. `ours` and `theirs` run all the time: others only for a case."""

    plan: Plan
    home: Path
    say: Callable[[str], None]
    content: Content
    images: tuple[Image, ...]
    """Small ones, each under a tag of its own; the first one has a layer of 1 MiB."""
    fleets: tuple[Image, ...]
    """Large ones, one for each round of a fleet."""
    nginx: Nginx
    crowd: Crowd
    certificate: tuple[Path, Path]
    ours: System
    theirs: System
    notes: list[str] = field(default_factory=list)

    @property
    def image(self) -> Image:
        return self.images[0]

    def served_by_nginx(self, *, tls: bool = False, logs: bool = False) -> System:
        """nginx, as the limit."""
        address = self.nginx.tls if tls else self.nginx.logging if logs else self.nginx.plain
        return System(address, self.nginx.daemon, lambda _digest: self.content.root, tls)

    def check(self, system: System, *paths: str) -> None:
        """Have a client see that the bytes are right, which also has a mirror keep them."""
        wanted = [Request(path, self.content.file(path)) for path in paths]
        self.crowd.pull(system.address, wanted, tls=system.is_tls, headers=system.headers)
        # And that a kept one serves them.
        self.crowd.pull(system.address, wanted, tls=system.is_tls, headers=system.headers)

    def rates(
        self, systems: Sequence[System], paths: Sequence[str], body: int, rounds: int | None = None
    ) -> tuple[Values, ...]:
        """Answers per second of each system, measured in turns, after all have been checked."""
        for system in systems:
            self.check(system, *paths)
            self._rate(system, paths, body, WARM_UP_SECONDS)
        return in_turns(
            rounds or self.plan.rounds,
            [partial(self._rate, each, paths, body, self.plan.seconds) for each in systems],
        )

    def speeds(
        self, systems: Sequence[System], path: str, size: int, clients: int, rounds: int
    ) -> tuple[Values, ...]:
        """MiB/s that so many clients get together of a blob, after all have been checked."""
        for system in systems:
            self.check(system, path)

        def speed(system: System) -> float:
            pulled = self.crowd.pull(
                system.address,
                [Request(path)],
                clients=clients,
                tls=system.is_tls,
                drop=True,
                headers=system.headers,
            )
            return clients * size / MIB / pulled.seconds

        return in_turns(rounds, [partial(speed, each) for each in systems])

    def _rate(self, system: System, paths: Sequence[str], body: int, seconds: int) -> float:
        asking = Asking(self.plan.connections, seconds, system.headers)
        return rate(system.url, paths, body, asking)


def in_turns(rounds: int, measures: Sequence[Callable[[], float]]) -> tuple[Values, ...]:
    """The measurements of each, taken A B A B: whatever else the machine does meets all."""
    return in_rounds([[measure() for measure in measures] for _ in range(rounds)])


@contextmanager
def set_up(plan: Plan, home: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    """Everything that all cases need; whatever ends the block, its processes end."""
    say("making content")
    content = Content(home / "content")
    first = content.add_image("t0", (MIB,))
    images = (first, *(content.add_image(f"t{n}", (1024,)) for n in range(1, plan.tags)))
    fleets = tuple(
        content.add_image(f"fleet{n}", (plan.layer,) * plan.layers) for n in range(plan.few)
    )
    (home / "certificates").mkdir()
    authority = Authority.make(home / "certificates")
    certificate = authority.sign("mirror", "127.0.0.1")
    with ExitStack() as stack:
        say("starting nginx and the mirrors")
        files = stack.enter_context(nginx(home / "nginx", content, authority))
        ours = stack.enter_context(mirrorsite(home / "ours", files.upstream))
        theirs = stack.enter_context(docker_registry(home / "theirs", files.upstream))
        crowd = Crowd(home)
        yield Stage(
            plan, home, say, content, images, fleets, files, crowd, certificate, ours, theirs
        )
