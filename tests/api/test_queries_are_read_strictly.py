"""`n`, `last` and `ns`: whatever a client writes, a value within bounds or a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote_from_bytes, urlencode

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from cache import runtime
from cache.api.parsing import accepted_namespace, parse_page, parse_repository
from cache.config import load
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName
from tests.api.outcomes import outcome

REGISTRY = "registry.example:5000"
RAW = st.binary(max_size=300)


@pytest.fixture(scope="module", autouse=True)
def _mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process as a mirror of `REGISTRY`, which it never asks."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": f"https://{REGISTRY}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path_factory.mktemp("root")),
    }
    with runtime.using(runtime.build(load(None, environ))) as built:
        yield
        built.close()


def _request(query: str) -> HttpRequest:
    return RequestFactory().get("/v2/", QUERY_STRING=query)


def _query(**values: bytes) -> HttpRequest:
    return _request("&".join(f"{name}={quote_from_bytes(raw)}" for name, raw in values.items()))


@given(st.integers(0, 10**9 - 1), st.text(alphabet="abc/._-", max_size=255))
def test_a_page_reads_back(number: int, last: str) -> None:
    assert parse_page(_request(urlencode({"n": number, "last": last}))) == (number, last)
    assert parse_page(_request(urlencode({"last": last}))) == (None, last)


@given(RAW, RAW)
def test_no_bytes_give_a_page_out_of_bounds(number: bytes, last: bytes) -> None:
    found = outcome(lambda: parse_page(_query(n=number, last=last)))

    if isinstance(found, RegistryError):
        assert found.status == 400
        assert found.code in ("PAGINATION_NUMBER_INVALID", "NAME_INVALID")
        assert len(found.envelope()) < 1000
    else:
        limit, after = found
        assert limit is not None
        assert 0 <= limit < 10**9
        assert len(after) <= 255
        assert "\x00" not in after


@pytest.mark.parametrize("number", ["", "-1", "+1", "1.0", "1e3", " 1", "\u0661", "\xb2", "1" * 10])
def test_what_is_no_count_is_refused(number: str) -> None:
    with pytest.raises(RegistryError, match="PAGINATION_NUMBER_INVALID"):
        parse_page(_request(urlencode({"n": number})))


@pytest.mark.parametrize("last", ["a\x00", "a" * 256])
def test_what_is_no_name_to_go_on_from_is_refused(last: str) -> None:
    with pytest.raises(RegistryError, match="NAME_INVALID"):
        parse_page(_request(urlencode({"last": last})))


@given(st.binary(max_size=2000))
def test_no_query_string_causes_another_error(query: bytes) -> None:
    request = _request(query.decode("latin-1"))

    outcome(lambda: parse_page(request))
    outcome(lambda: accepted_namespace(request, {REGISTRY}))


@given(RAW | st.sampled_from([b"docker.io", REGISTRY.encode()]))
def test_only_a_registry_that_is_served_is_repeated_in_a_header(name: bytes) -> None:
    accepted = accepted_namespace(_query(ns=name), {"docker.io", REGISTRY})

    assert accepted in (None, "docker.io", REGISTRY)
    assert (accepted is None) == (name not in (b"docker.io", REGISTRY.encode()))


@given(st.text() | st.text(alphabet="ab0/._-:@A%", max_size=300), RAW)
def test_a_path_and_a_registry_give_a_repository_or_a_refusal(name: str, registry: bytes) -> None:
    found = outcome(lambda: parse_repository(_query(ns=registry), name))

    if isinstance(found, RegistryError):
        assert (found.code, found.status) in (("NAME_INVALID", 400), ("NAME_UNKNOWN", 404))
        assert len(found.envelope()) < 1000
    else:
        assert found.name == RepositoryName.parse(name)
        assert str(found) == f"{REGISTRY}/{name}"
