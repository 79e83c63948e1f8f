"""What is known of each blob, whichever images share it: how much of it is here, and was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cache.oci.digest import Digest
from cache.oci.manifest import Descriptor
from cache.pull import missing_bytes


@dataclass(slots=True)
class Transfer:
    """One blob, sizes in bytes: ``arrived`` of ``size`` are here, ``missing`` were not at first.

    Without a size, which few manifests leave out, it becomes known as the bytes arrive.
    """

    size: int
    arrived: int
    missing: int
    is_sized: bool

    @classmethod
    def of(cls, blob: Descriptor) -> Transfer:
        """As it stands in the store now; ``OSError`` if the store cannot be looked into."""
        missing = missing_bytes(blob)
        size = blob.size or 0
        arrived = size if missing is None else size - missing
        return cls(size, arrived, missing or 0, blob.size is not None or missing == 0)

    @property
    def is_missing(self) -> bool:
        return self.missing > 0 or not self.is_sized

    @property
    def brought(self) -> int:
        """Bytes that have arrived since."""
        return max(0, self.arrived - (self.size - self.missing))

    def note(self, arrived: int) -> None:
        """So many bytes are here by now."""
        self.arrived = arrived
        if arrived > self.size:
            self.missing += arrived - self.size
            self.size = arrived

    def hold(self, size: int) -> None:
        """All of it is here, ``size`` bytes."""
        if self.is_missing:
            self.note(size)
        else:
            self.size = self.arrived = size


def sums(transfers: Iterable[Transfer]) -> tuple[int, int, int]:
    """Total, arrived and missing bytes."""
    held = list(transfers)
    return (
        sum(each.size for each in held),
        sum(each.arrived for each in held),
        sum(each.missing for each in held),
    )


Transfers = dict[Digest, Transfer]
