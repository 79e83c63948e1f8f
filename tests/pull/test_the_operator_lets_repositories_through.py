"""`allow` and `deny`: what they keep out is refused in every use case, also when it is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cache import pull, runtime
from cache.access.decision import ANONYMOUS
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.pattern import Pattern
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.runtime import Runtime
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream

UseCase = Callable[[Repository, Image], object]


def _open(repository: Repository, digest: Digest) -> None:
    with pull.open_blob(ANONYMOUS, repository, digest) as blob:
        assert isinstance(blob, pull.Arriving | pull.Held)
        if isinstance(blob, pull.Held):
            blob.file.close()


USE_CASES: dict[str, UseCase] = {
    "tag": lambda repository, _: pull.resolve_manifest(ANONYMOUS, repository, Tag("v1"), None),
    "digest": lambda repository, image: pull.resolve_manifest(
        ANONYMOUS, repository, image.digest, None
    ),
    "blob": lambda repository, image: _open(repository, image.config_digest),
    "blob's size": lambda repository, image: pull.stat_blob(
        ANONYMOUS, repository, image.config_digest
    ),
    "tags": lambda repository, _: pull.list_tags(ANONYMOUS, repository, None, ""),
    "referrers": lambda repository, image: pull.list_referrers(
        ANONYMOUS, repository, image.digest, None
    ),
}


def _with(mirror: Runtime, allow: tuple[str, ...], deny: tuple[str, ...]) -> Runtime:
    proxy = replace(
        mirror.config.proxy,
        allow=tuple(Pattern(text) for text in allow),
        deny=tuple(Pattern(text) for text in deny),
    )
    return replace(mirror, config=replace(mirror.config, proxy=proxy))


@pytest.mark.parametrize("use_case", USE_CASES.values(), ids=USE_CASES)
@pytest.mark.parametrize(
    ("allow", "deny", "is_let_through"),
    [
        ((), (), True),
        (("acme/*",), (), True),
        (("other/*", "acme/app"), (), True),
        (("other/*",), (), False),
        ((), ("acme/**",), False),
        (("acme/*",), ("acme/app",), False),
        (("acme",), (), False),
    ],
)
def test_each_use_case(
    mirror: Runtime,
    upstream: FakeUpstream,
    use_case: UseCase,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    is_let_through: bool,
) -> None:
    image = upstream.add_image("acme/app", "v1", [b"layer"])
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse("acme/app"))
    pull.resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
    _open(repository, image.config_digest)
    asked = len(upstream.seen())

    with runtime.using(_with(mirror, allow, deny)):
        if is_let_through:
            use_case(repository, image)
            return
        with pytest.raises(RegistryError, match=r"does not allow .*acme/app") as refused:
            use_case(repository, image)

    assert (refused.value.code, refused.value.status) == ("DENIED", 403)
    assert len(upstream.seen()) == asked


def test_the_catalog_leaves_out_what_is_kept_out(mirror: Runtime, upstream: FakeUpstream) -> None:
    for name in ("acme/app", "acme/base", "other/tool"):
        upstream.add_image(name, "v1")
        repository = Repository(mirror.config.proxy.name, RepositoryName.parse(name))
        pull.resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)

    with runtime.using(_with(mirror, (), ("acme/base",))):
        first = pull.list_repositories(ANONYMOUS, None, 1, "")
        second = pull.list_repositories(ANONYMOUS, None, 1, first.names[-1])

    assert (first.names, first.more) == (("acme/app",), True)
    assert (second.names, second.more) == (("other/tool",), False)
