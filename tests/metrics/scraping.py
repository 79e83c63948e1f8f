"""A mirror whose metrics can be read, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.processes import eventually, free_port
from tests.fakes.plain import NO_AUTHORITY
from tests.faults.clients import Scene, scene


@dataclass(frozen=True, slots=True)
class Numbers:
    """One scrape: each sample's name, labels and value."""

    samples: tuple[tuple[str, dict[str, str], float], ...]

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples of `mirrorsite_<name>` that have at least these labels."""
        return sum(value for _, value in self.each(name, **labels))

    def each(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """All of them."""
        return [
            (its, value)
            for found, its, value in self.samples
            if found == f"mirrorsite_{name}" and labels.items() <= its.items()
        ]

    @property
    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}


def parse(text: str) -> Numbers:
    return Numbers(
        tuple(
            (sample.name, dict(sample.labels), float(sample.value))
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        )
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """A mirror, its upstream, and where its metrics are."""

    scene: Scene
    url: str

    def text(self) -> str:
        answer = httpx.get(self.url, trust_env=False, verify=NO_AUTHORITY, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.text

    def scrape(self) -> Numbers:
        return parse(self.text())

    def await_that(self, name: str, value: float, **labels: str) -> Numbers:
        """The first scrape in which this has that value: a request ends after its last byte."""
        seen: list[Numbers] = []

        def is_so() -> bool:
            seen[:] = [self.scrape()]
            return seen[0].of(name, **labels) == value

        try:
            eventually(is_so, f"{name} {labels} is {value}")
        except AssertionError as error:
            error.add_note(f"it is {seen[0].of(name, **labels)}")
            raise
        return seen[0]


@contextmanager
def measured(**environ: str) -> Iterator[Measured]:
    """A mirror of two workers that shows its metrics at an address of its own."""
    address = f"127.0.0.1:{free_port()}"
    with scene(
        REGISTRY_HTTP_DEBUG_ADDR=address, REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED="true", **environ
    ) as found:
        yield Measured(found, f"http://{address}/metrics")
