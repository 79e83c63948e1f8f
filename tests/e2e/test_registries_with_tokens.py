"""Two registries that give nothing without a token, and their blobs from another host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e import skopeo
from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy, Exchange, Storage
from tests.e2e.images import busybox_image, push, two_platform_index
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.podman import Podman
from tests.e2e.processes import scratch
from tests.e2e.registry import Registry
from tests.e2e.tokens import Signer, TokenServer
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY

pytestmark = pytest.mark.e2e

PRIVATE = "registry.private.example"
USER, PASSWORD = "olivia", "what nobody else knows"


@dataclass(frozen=True, slots=True)
class Site:
    """A registry with its token server and its storage; images are pushed to `push_url`."""

    push_url: str
    tokens: TokenServer
    front: CountingProxy
    storage: Storage

    def forget(self) -> None:
        self.front.forget()
        self.storage.forget()

    def admitted(self, method: str, repository: str) -> list[str]:
        """What was asked for with a token that was good for it."""
        base = f"/v2/{repository}/"
        return [
            exchange.target.removeprefix(base)
            for exchange in self.front.seen(method, f"^{base}")
            if exchange.status in (200, 307)
        ]


def start_site(stack: ExitStack, name: str, token_host: str, private: str | None = None) -> Site:
    """A site whose token server is on this host, with one private repository or none."""
    home = stack.enter_context(scratch(name))
    tokens = stack.enter_context(
        TokenServer(
            Signer(home), {USER: PASSWORD}, frozenset([private] if private else []), token_host
        )
    )
    plain = stack.enter_context(Registry(home))
    guarded = stack.enter_context(Registry(home, tokens))
    storage = stack.enter_context(Storage(plain.url, "127.0.0.3"))
    front = stack.enter_context(CountingProxy(guarded.url, storage=storage))
    return Site(plain.url, tokens, front, storage)


@pytest.fixture(scope="module")
def public() -> Iterator[Site]:
    """A registry as Docker Hub is: anyone gets a token, on another host."""
    require("docker-registry", "busybox", "openssl")
    with ExitStack() as stack:
        yield start_site(stack, "public", "127.0.0.2")


@pytest.fixture(scope="module")
def private() -> Iterator[Site]:
    """A registry with a private repository, whose token server is on its own host."""
    require("docker-registry", "busybox", "openssl")
    with ExitStack() as stack:
        yield start_site(stack, "private", "127.0.0.1", "owner/secret")


@pytest.fixture(scope="module")
def mirror(public: Site, private: Site) -> Iterator[Mirror]:
    """A mirror of both, signed in at the private one."""
    signed_in = (
        f"{{{PRIVATE}: {{remoteurl: '{private.front.url}', username: {USER},"
        f" password: '{PASSWORD}'}}}}"
    )
    with (
        scratch("mirror-with-tokens") as home,
        Mirror(home / "data", public.front.url, REGISTRY_UPSTREAMS=signed_in) as mirror,
    ):
        yield mirror


@pytest.fixture(scope="module")
def containerd(mirror: Mirror) -> Iterator[Containerd]:
    require("containerd", "ctr", "runc")
    require_root()
    with (
        scratch("containerd-with-tokens") as home,
        Containerd(home, mirror.url, ("docker.io", PRIVATE)) as daemon,
    ):
        yield daemon


def _copy(mirror: Mirror, reference: str, folder: Path, image: Image) -> None:
    """Copy an image with skopeo, and see that it is the right one."""
    skopeo.copy(mirror.address, reference, folder)
    assert skopeo.copied(folder) == {"manifest.json": image.manifest, **skopeo.blobs(image)}


def _blobs(image: Image) -> list[str]:
    return sorted(f"blobs/{digest}" for digest in (image.config_digest, *image.layer_digests))


def test_nobody_gets_anything_without_a_token(public: Site, private: Site) -> None:
    image = busybox_image("guarded")
    for site in (public, private):
        push(site.push_url, "owner/guarded", "1", image)
        path = f"{site.front.url}/v2/owner/guarded"

        assert (
            httpx.get(f"{path}/manifests/1", trust_env=False, verify=NO_AUTHORITY).status_code
            == 401
        )
        assert (
            httpx.get(
                f"{path}/blobs/{image.config_digest}", trust_env=False, verify=NO_AUTHORITY
            ).status_code
            == 401
        )


def test_what_a_first_pull_and_a_second_one_cost(
    public: Site, mirror: Mirror, containerd: Containerd
) -> None:
    index = two_platform_index("containerd pulled with a token")
    image = index.images[0]
    push(public.push_url, "library/with-token", "1", index)

    containerd.pull("docker.io/library/with-token:1")

    assert containerd.run("docker.io/library/with-token:1") == "containerd pulled with a token\n"
    assert public.admitted("HEAD", "library/with-token") == ["manifests/1"]
    assert sorted(public.admitted("GET", "library/with-token")) == [
        *_blobs(image),
        *sorted(f"manifests/{digest}" for digest in (index.digest, image.digest)),
    ]
    scope = "repository:library/with-token:pull"
    asked = [each for each in public.tokens.asked() if scope in each.scopes]
    assert [(each.scopes, each.user) for each in asked] == [((scope,), None)]

    containerd.forget()
    public.forget()
    containerd.pull("docker.io/library/with-token:1")

    assert public.admitted("HEAD", "library/with-token") == ["manifests/1"]
    assert public.admitted("GET", "library/with-token") == []
    assert public.storage.seen("GET") == []


def test_the_storage_never_sees_a_token(
    public: Site, private: Site, mirror: Mirror, folder: Path
) -> None:
    for number, (site, prefix) in enumerate(((public, ""), (private, f"{PRIVATE}/"))):
        site.forget()
        image = busybox_image(f"from storage {number}")
        push(site.push_url, "owner/stored", "1", image)

        _copy(mirror, f"{prefix}owner/stored:1", folder / str(number), image)

        fetched = site.storage.seen("GET")
        assert sorted(_path(each) for each in fetched) == _blobs(image)
        assert all(each.status == 200 for each in fetched)
        assert not any("authorization" in each.headers for each in fetched)


def _path(exchange: Exchange) -> str:
    return exchange.target.removeprefix("/v2/owner/stored/").partition("?")[0]


def test_what_only_we_may_pull_takes_the_operators_word(
    private: Site, mirror: Mirror, containerd: Containerd
) -> None:
    push(private.push_url, "owner/secret", "1", busybox_image("a secret"))
    scope = "repository:owner/secret:pull"

    def users() -> set[str | None]:
        return {each.user for each in private.tokens.asked() if scope in each.scopes}

    with pytest.raises(AssertionError, match="pull access denied"):
        containerd.pull(f"{PRIVATE}/owner/secret:1")
    assert users() == {None}, "only a stranger's question is asked for a stranger"

    mirror.manage("visibility", "set", "public", "owner/secret", "--upstream", PRIVATE)
    containerd.pull(f"{PRIVATE}/owner/secret:1")

    assert containerd.run(f"{PRIVATE}/owner/secret:1") == "a secret\n"
    assert users() == {None, USER}


def test_a_registry_is_not_told_who_we_are_at_the_other(public: Site, private: Site) -> None:
    assert {each.user for each in public.tokens.asked()} == {None}
    assert {each.user for each in private.tokens.asked()} == {None, USER}


def test_all_ways_to_a_repository_lead_to_one(
    private: Site, mirror: Mirror, containerd: Containerd, folder: Path
) -> None:
    """By path with two clients, which know nothing of mirrors, and by `ns`."""
    require("podman")
    image = busybox_image("pulled in every way")
    push(private.push_url, "owner/every-way", "1", image)

    _copy(mirror, f"{PRIVATE}/owner/every-way:1", folder / "skopeo", image)
    fetched = private.admitted("GET", "owner/every-way")
    containerd.pull(f"{PRIVATE}/owner/every-way:1")
    with scratch("podman-by-path") as home:
        podman = Podman(home, mirror.address)
        reference = f"{mirror.address}/{PRIVATE}/owner/every-way:1"
        podman.pull(reference, "--tls-verify=false")
        greeting = (podman.unpacked(reference) / "etc/greeting").read_text()

    assert greeting == "pulled in every way\n"
    # A token was wanted before the tag was named: whether the repository is public took its tags.
    assert sorted(fetched) == [*_blobs(image), f"manifests/{image.digest}", "tags/list?n=1"]
    assert private.admitted("GET", "owner/every-way") == fetched


def test_the_default_registry_has_three_names_and_one_cache(
    public: Site, mirror: Mirror, containerd: Containerd, folder: Path
) -> None:
    image = busybox_image("of the default registry")
    push(public.push_url, "library/default", "1", image)

    _copy(mirror, "library/default:1", folder / "no-name", image)
    fetched = public.admitted("GET", "library/default")
    _copy(mirror, "docker.io/library/default:1", folder / "path", image)
    containerd.pull("docker.io/library/default:1")

    assert sorted(fetched) == [*_blobs(image), f"manifests/{image.digest}"]
    assert public.admitted("GET", "library/default") == fetched
