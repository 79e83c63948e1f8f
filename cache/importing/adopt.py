"""Taking over what a registry's folder holds: blobs into the store, all else into the database.

What is there already is not read again, so an import that was stopped goes on by being repeated.
Every step leaves the mirror as if it had pulled so much and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO, Protocol

from cache import catalog
from cache.catalog import AdoptedBlob, AdoptedTag
from cache.importing.folder import Content, Link, RegistryFolder
from cache.importing.report import Finding, Kind, Tally
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.manifest import MAX_MANIFEST_BYTES, BadManifest, Manifest, read_manifest
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.streaming.adopting import Adopted, Reading

#: So many records are told to the database at once.
_BATCH = 200


class Adopt(Protocol):
    """What takes a verified blob into the store."""

    def __call__(self, digest: Digest, source: BinaryIO, *, reading: Reading) -> Adopted: ...


@dataclass(frozen=True, slots=True)
class Job:
    """What to take over, and how.

    ``locate`` says what a repository of the folder is called here; raises RegistryError.
    ``is_trusted``: the folder's word on what a repository contains is upstream's. Otherwise the
    bytes are taken over, and upstream is asked before they are served in a repository.
    ``holds`` says whether a blob is in the store, ``adopt`` takes one in (see
    :meth:`cache.streaming.store.Store.adopt`); without ``adopt`` it is a dry run, which only looks.
    ``reading`` yields the bytes of a file; ``on_progress`` is given the bytes that are done.
    """

    folder: RegistryFolder
    locate: Callable[[str], Repository]
    is_trusted: bool
    holds: Callable[[Digest], bool]
    adopt: Adopt | None
    reading: Reading
    now: datetime
    on_finding: Callable[[Finding], None] = lambda _finding: None
    on_progress: Callable[[int], None] = lambda _done: None


def total_size(folder: RegistryFolder) -> int:
    """How many bytes the blobs have that some repository of the folder contains."""
    links = (link for name in folder.repositories() for link in folder.layers(name))
    digests = {link.digest for link in links if link.digest is not None}
    return sum(content.size for each in digests if (content := folder.stat_blob(each)))


def import_folder(job: Job) -> Tally:
    """Take over the whole folder.

    Raises ``OSError`` when the folder or the store fails, ``django.db.Error`` when the database
    does; what was taken over before stays.
    """
    work = _Import(job)
    for name in job.folder.repositories():
        try:
            repository = job.locate(name)
        except RegistryError as error:
            work.report(Kind.UNUSABLE, name, error.message)
        else:
            work.take(name, repository)
    return work.tally


@dataclass(slots=True)
class _Import:
    job: Job
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    seen: set[Digest] = field(default_factory=set)
    noted: list[AdoptedBlob] = field(default_factory=list)

    def take(self, name: str, repository: Repository) -> None:
        self.tally.repositories += 1
        self.take_blobs(name, repository)
        taken = self.take_manifests(name, repository)
        if self.job.is_trusted:
            self.take_tags(name, repository, taken)
        else:
            self.tally.unproved += 1

    def take_blobs(self, name: str, repository: Repository) -> None:
        for links in _batches(self.job.folder.layers(name)):
            proved = []
            try:
                for link in links:
                    digest = self.digest_of(name, link)
                    if digest is not None:
                        self.take_blob(digest)
                        proved.append((digest, self.moment(link.written_at)))
            finally:
                # Also when the disk is full or the operator has enough: what is here is recorded.
                self.record_blobs(repository, proved)

    def take_blob(self, digest: Digest) -> None:
        if digest in self.seen:
            return
        self.seen.add(digest)
        content = self.job.folder.stat_blob(digest)
        if content is None:
            # It has expired there. What a repository contains stays known, as after an eviction.
            self.tally.absent += 1
        elif self.job.holds(digest):
            self.tally.held += 1
            self.note(digest, content, is_new=False)
            self.advance(content.size)
        elif self.job.adopt is None:
            self.tally.count(Adopted.LINKED, content.size)
            self.advance(content.size)
        else:
            self.adopt(self.job.adopt, digest, content)

    def adopt(self, adopt: Adopt, digest: Digest, content: Content) -> None:
        start = self.done
        try:
            source = self.job.folder.open_blob(digest)
        except PermissionError as error:
            self.report(Kind.UNREADABLE, str(digest), error.strerror or "it cannot be read")
            return
        if source is None:
            self.tally.absent += 1
            return
        with source:
            adopted = adopt(digest, source, reading=self.read_and_tell)
        self.done = start + content.size
        if adopted is Adopted.WRONG:
            self.report(Kind.DAMAGED, str(digest), "its bytes have another digest")
            return
        self.tally.count(adopted, content.size)
        self.note(digest, content, is_new=True)

    def take_manifests(self, name: str, repository: Repository) -> set[Digest]:
        """The digests of those that were taken over."""
        taken: set[Digest] = set()
        owner = repository if self.job.is_trusted else None
        for links in _batches(self.job.folder.revisions(name)):
            read = []
            for link in links:
                digest = self.digest_of(name, link)
                manifest = self.read_manifest(digest) if digest is not None else None
                if manifest is not None:
                    read.append((manifest, self.moment(link.written_at)))
            if self.job.adopt is not None:
                catalog.adopt_manifests(owner, read, self.job.now)
            taken.update(manifest.digest for manifest, _ in read)
        self.tally.manifests += len(taken)
        return taken

    def read_manifest(self, digest: Digest) -> Manifest | None:
        try:
            file = self.job.folder.open_blob(digest)
        except PermissionError as error:
            self.report(Kind.UNREADABLE, str(digest), error.strerror or "it cannot be read")
            return None
        if file is None:
            self.tally.absent += 1
            return None
        with file:
            body = file.read(MAX_MANIFEST_BYTES + 1)
        try:
            return read_manifest(body, None, digest)
        except BadManifest as error:
            self.report(Kind.DAMAGED, str(digest), f"no manifest: {error}")
            return None

    def take_tags(self, name: str, repository: Repository, taken: set[Digest]) -> None:
        for links in _batches(self.job.folder.tags(name)):
            read = []
            for link in links:
                where = f"{name}:{link.name}"
                try:
                    tag = Tag.parse(link.name)
                except RegistryError as error:
                    self.report(Kind.UNUSABLE, where, error.message)
                    continue
                if link.digest is None:
                    self.report(Kind.UNUSABLE, where, "its link holds no digest")
                elif link.digest not in taken:
                    detail = f"it points to {link.digest}, which is not there as a whole"
                    self.report(Kind.DANGLING, where, detail)
                else:
                    read.append(AdoptedTag(tag, link.digest, self.moment(link.written_at)))
            if self.job.adopt is not None:
                catalog.adopt_tags(repository, read, self.job.now)
            self.tally.tags += len(read)

    def digest_of(self, name: str, link: Link) -> Digest | None:
        if link.digest is None:
            self.report(Kind.UNUSABLE, f"{name}@{link.name}", "its link holds another digest")
        return link.digest

    def note(self, digest: Digest, content: Content, *, is_new: bool) -> None:
        written_at = self.moment(content.written_at)
        self.noted.append(AdoptedBlob(digest, content.size, written_at, is_new))

    def record_blobs(self, repository: Repository, proved: list[tuple[Digest, datetime]]) -> None:
        noted, self.noted = self.noted, []
        links = proved if self.job.is_trusted else []
        self.tally.links += len(links)
        if self.job.adopt is not None:
            catalog.adopt_blobs(noted, self.job.now)
            catalog.adopt_blob_links(repository, links, self.job.now)

    def moment(self, written_at: float) -> datetime:
        """When that was; no later than now, whatever the folder's clock said."""
        return datetime.fromtimestamp(min(written_at, self.job.now.timestamp()), UTC)

    def read_and_tell(self, file: BinaryIO) -> Iterator[bytes]:
        for data in self.job.reading(file):
            yield data
            self.advance(len(data))

    def advance(self, size: int) -> None:
        self.done += size
        self.job.on_progress(self.done)

    def report(self, kind: Kind, name: str, detail: str) -> None:
        self.tally.findings += 1
        self.job.on_finding(Finding(kind, name, detail))


def _batches(links: Iterator[Link]) -> Iterator[tuple[Link, ...]]:
    while batch := tuple(islice(links, _BATCH)):
        yield batch
