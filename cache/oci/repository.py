"""A repository as the mirror knows it: a name at an upstream registry."""

from __future__ import annotations

from dataclasses import dataclass

from cache.oci.reference import RepositoryName


@dataclass(frozen=True, slots=True)
class Repository:
    """``name`` at the registry called ``upstream``, such as `library/busybox` at `docker.io`."""

    upstream: str
    name: RepositoryName

    def __str__(self) -> str:
        return f"{self.upstream}/{self.name}"
