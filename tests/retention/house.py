"""A mirror in this process with a clock that the test sets, and an upstream to pull from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.test import Client

from cache import models, retention, runtime
from cache.config import load
from cache.oci.digest import Digest
from cache.retention import Policy, Removed, Run, Summary, current_policy, name_of
from cache.runtime import Runtime
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class House:
    """The mirror's clock stands still until the test moves it."""

    upstream: FakeUpstream
    mirror: Runtime
    time: list[datetime]
    client: Client = field(default_factory=Client)

    def later(self, step: timedelta) -> None:
        """Let time pass."""
        self.time[0] += step

    @property
    def default(self) -> str:
        """The upstream of clients that name none."""
        return self.mirror.config.proxy.name

    @property
    def now(self) -> datetime:
        return self.time[0]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of what is below `/v2/`; nothing is under way when it returns."""
        answer = self.client.get(f"/v2/{path}")
        body = answer.getvalue()
        answer.close()
        assert self.mirror.coalescer.drain(30)
        return answer.status_code, body

    def pull(self, name: str, reference: str, image: Image) -> None:
        """Pull an image as a client does: whole and right, or this fails."""
        status, body = self.get(f"{name}/manifests/{reference}")
        assert (status, Digest.of(body)) == (200, image.digest)
        for data in (image.config, *image.layers):
            assert self.get(f"{name}/blobs/{Digest.of(data)}") == (200, data)

    def run(self, policy: Policy | None = None, *, dry_run: bool = False) -> list[Removed]:
        """What an eviction removes."""
        return self.evict(policy, dry_run=dry_run)[0]

    def evict(
        self, policy: Policy | None = None, *, dry_run: bool = False
    ) -> tuple[list[Removed], Summary]:
        """The same, and its summary."""
        removed: list[Removed] = []
        run = Run(
            policy=policy or current_policy(),
            by="a test",
            dry_run=dry_run,
            on_removed=removed.append,
        )
        return removed, run.now()

    def names(self, removed: list[Removed]) -> list[str]:
        """What went, as an operator is told."""
        return [
            name_of(subject, self.default)
            if isinstance(subject, retention.Image)
            else subject.digest
            for subject in (each.unit.subject for each in removed)
        ]

    def files(self) -> dict[str, int]:
        """The blobs in the store, with their sizes."""
        return {str(digest): size for digest, size in self.mirror.store.blobs()}

    def records(self) -> dict[str, int]:
        """The blobs in the database, with their sizes."""
        return dict(models.Blob.objects.values_list("digest", "size"))

    def holds(self, data: bytes) -> bool:
        """Whether the blob is here, in the store and in the records alike."""
        digest = str(Digest.of(data))
        assert (digest in self.files()) == (digest in self.records())
        return digest in self.files()


@contextmanager
def house_at(folder: Path, upstream: FakeUpstream, **environ: str) -> Iterator[House]:
    """A mirror that keeps everything in `folder`, which may be one that was used before."""
    folder.mkdir(exist_ok=True)
    config = load(
        None,
        {
            "MIRROR_CONFIG": "/dev/null",
            "REGISTRY_PROXY_REMOTEURL": upstream.url,
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder),
            "REGISTRY_RETENTION_MIN_FREE": "0",
            **environ,
        },
    )
    time = [START]
    built = replace(runtime.build(config), now=lambda: time[0])
    with runtime.using(built):
        yield House(upstream, built, time)
        assert built.coalescer.drain(30)
        built.close()
