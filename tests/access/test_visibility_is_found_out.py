"""Whether a repository is public: upstream is asked as a stranger would ask, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cache import catalog, pull, runtime
from cache.access import visibility
from cache.access.decision import ANONYMOUS, OPERATOR, Client, Reach, Visibility
from cache.access.remembered import Remembered
from cache.oci.errors import RegistryError
from cache.oci.pattern import Pattern
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.runtime import Runtime
from tests.access.conftest import PRIVATE, PUBLIC, UNKNOWN, changed_to
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream


def _repository(here: Runtime, name: str) -> Repository:
    return Repository(here.config.proxy.name, RepositoryName.parse(name))


def _pull(here: Runtime, name: str, client: Client = ANONYMOUS) -> None:
    pull.resolve_manifest(client, _repository(here, name), Tag("v1"), None)


def _may_pull(here: Runtime, name: str, client: Client = ANONYMOUS) -> bool:
    try:
        _pull(here, name, client)
    except RegistryError as error:
        return error.status != 401
    return True


def _later(here: Runtime, **passed: float) -> Runtime:
    later = here.now() + timedelta(**passed)
    return replace(here, now=lambda: later)


def _is_public(upstream: FakeUpstream, *names: str) -> None:
    assert upstream.token_service is not None
    upstream.token_service.private = frozenset({PRIVATE, PUBLIC} - set(names))
    upstream.token_service.revoke_all()


def test_what_a_stranger_is_given_is_public_and_is_remembered(
    here: Runtime, upstream: FakeUpstream
) -> None:
    assert _may_pull(here, PUBLIC)

    seen = visibility.find_seen(_repository(here, PUBLIC))
    assert seen is not None
    assert seen.visibility is Visibility.PUBLIC
    upstream.record.reset()
    _pull(here, PUBLIC)
    assert [each.method for each in upstream.seen(path="/v2/")] == ["HEAD"], "the tag's own check"


def test_what_a_stranger_is_refused_is_private(here: Runtime) -> None:
    _pull(here, PRIVATE, OPERATOR)

    assert not _may_pull(here, PRIVATE)

    seen = visibility.find_seen(_repository(here, PRIVATE))
    assert seen is not None
    assert seen.visibility is Visibility.PRIVATE


def test_a_private_repository_costs_the_same_questions_as_none(
    here: Runtime, upstream: FakeUpstream
) -> None:
    """Else the time that an answer takes would tell which of the two it is."""
    _pull(here, PRIVATE, OPERATOR)
    asked: dict[str, list[int]] = {}
    for name in (PRIVATE, UNKNOWN):
        for _ in range(3):
            upstream.record.reset()
            assert not _may_pull(here, name)
            asked.setdefault(name, []).append(bool(upstream.count()))

    assert asked[PRIVATE] == asked[UNKNOWN] == [True, False, False]


def test_who_has_a_grant_teaches_nothing_to_who_has_none(
    here: Runtime, upstream: FakeUpstream
) -> None:
    _pull(here, PRIVATE, OPERATOR)
    assert not _may_pull(here, PRIVATE)
    _pull(here, PRIVATE, OPERATOR)
    another_process = replace(here, remembered=Remembered(here.memory))

    upstream.record.reset()
    with runtime.using(another_process):
        assert not _may_pull(here, PRIVATE)

    assert upstream.count() > 0, "as for a name that nobody has asked for"


def test_a_grant_needs_no_question(here: Runtime, upstream: FakeUpstream) -> None:
    granted = Client(user=1, grants=(Reach("", Pattern("acme/*")),))
    _pull(here, PRIVATE, granted)

    assert all(seen.header("authorization") is not None for seen in upstream.seen(path="/token"))


def test_a_missing_tag_makes_no_repository_private(here: Runtime) -> None:
    with pytest.raises(RegistryError) as refused:
        pull.resolve_manifest(ANONYMOUS, _repository(here, PUBLIC), Tag("none"), None)

    assert refused.value.code == "MANIFEST_UNKNOWN"
    assert _may_pull(here, PUBLIC)


def test_an_upstream_that_cannot_be_asked_has_nothing_public(
    here: Runtime, upstream: FakeUpstream
) -> None:
    _pull(here, PUBLIC, OPERATOR)
    upstream.stop()

    assert not _may_pull(here, PUBLIC)


def test_an_upstream_that_does_not_know_us_has_nothing_private(
    here: Runtime, upstream: FakeUpstream
) -> None:
    proxy = replace(here.config.proxy, username="", password="")
    with runtime.using(replace(here, config=replace(here.config, proxy=proxy))) as unknown:
        upstream.guard = None
        _pull(unknown, PRIVATE)
        asked = upstream.count()
        upstream.stop()
        _pull(unknown, PRIVATE)

    assert asked == 2, "the tag's HEAD and the manifest's GET"


def test_an_answer_is_renewed_before_it_runs_out(here: Runtime, upstream: FakeUpstream) -> None:
    _pull(here, PUBLIC)
    first = visibility.find_seen(_repository(here, PUBLIC))

    with runtime.using(_later(here, hours=13)):
        _pull(here, PUBLIC)

    second = visibility.find_seen(_repository(here, PUBLIC))
    assert first is not None
    assert second is not None
    assert second.checked_at - first.checked_at >= timedelta(hours=13)


def test_an_outage_takes_nothing_away_until_the_answer_runs_out(
    here: Runtime, upstream: FakeUpstream
) -> None:
    _pull(here, PUBLIC)
    upstream.stop()

    with runtime.using(_later(here, hours=23)):
        assert _may_pull(here, PUBLIC)
    with runtime.using(_later(here, hours=25)):
        assert not _may_pull(here, PUBLIC)


def test_what_became_private_is_private_in_every_process_at_once(
    here: Runtime, upstream: FakeUpstream
) -> None:
    other = replace(here, remembered=Remembered(here.memory))
    for process in (here, other):
        with runtime.using(process):
            assert _may_pull(here, PUBLIC)
    _is_public(upstream)

    with runtime.using(_later(here, hours=13)):
        assert not _may_pull(here, PUBLIC)
    with runtime.using(other):
        assert not _may_pull(here, PUBLIC)


def test_what_became_public_is_public_a_minute_later(here: Runtime, upstream: FakeUpstream) -> None:
    passed = 0.0
    patient = replace(here, remembered=Remembered(here.memory, lambda: passed))
    with runtime.using(patient):
        assert not _may_pull(here, PRIVATE)
        _is_public(upstream, PRIVATE, PUBLIC)
        passed = 61.0

        assert _may_pull(here, PRIVATE)


def test_a_refusal_of_upstream_has_it_asked_again(here: Runtime, upstream: FakeUpstream) -> None:
    _pull(here, PUBLIC)
    known = catalog.find_tag(_repository(here, PUBLIC), Tag("v1"))
    assert known is not None
    _is_public(upstream)
    upstream.misbehave(Fault(status=403), path="/v2/library/tool/manifests/v1", times=1)
    with pytest.raises(RegistryError) as refused:
        _pull(here, PUBLIC)
    assert refused.value.status == 403

    with pytest.raises(RegistryError) as refused:
        pull.resolve_manifest(ANONYMOUS, _repository(here, PUBLIC), known.manifest.digest, None)

    assert refused.value.status == 401


@pytest.mark.parametrize("pattern", ["acme/*", "acme/app", "**"])
def test_an_operator_may_say_that_it_is_public(
    here: Runtime, upstream: FakeUpstream, pattern: str
) -> None:
    visibility.fix(Reach(here.config.proxy.name, Pattern(pattern)), Visibility.PUBLIC)

    assert _may_pull(here, PRIVATE)


def test_an_operator_may_say_that_it_is_private(here: Runtime) -> None:
    assert _may_pull(here, PUBLIC)

    reach = Reach("", Pattern("library/**"))
    visibility.fix(reach, Visibility.PRIVATE)
    assert not _may_pull(here, PUBLIC)

    assert visibility.unfix(reach)
    assert _may_pull(here, PUBLIC)


def test_of_several_rules_the_closest_counts(here: Runtime) -> None:
    visibility.fix(Reach("", Pattern("**")), Visibility.PRIVATE)
    visibility.fix(Reach("", Pattern("library/*")), Visibility.PRIVATE)
    visibility.fix(Reach("", Pattern("library/tool")), Visibility.PUBLIC)

    assert _may_pull(here, PUBLIC)


def test_nothing_is_for_anybody_if_the_operator_says_so(here: Runtime) -> None:
    _pull(here, PUBLIC)

    with changed_to(here, anonymous="none"):
        assert not _may_pull(here, PUBLIC)
        signed_in = Client(user=1)
        assert _may_pull(here, PUBLIC, signed_in)


def test_a_name_that_anybody_makes_up_leaves_no_record(here: Runtime) -> None:
    assert not _may_pull(here, UNKNOWN)

    assert visibility.find_seen(_repository(here, UNKNOWN)) is None
    assert not catalog.is_repository_known(_repository(here, UNKNOWN))


def test_the_catalog_tells_strangers_of_what_is_known_to_be_public_now(here: Runtime) -> None:
    _pull(here, PUBLIC)
    _pull(here, PRIVATE, OPERATOR)
    upstream = here.config.proxy

    assert pull.list_repositories(ANONYMOUS, upstream, None, "").names == (PUBLIC,)
    with runtime.using(_later(here, hours=25)):
        assert pull.list_repositories(ANONYMOUS, upstream, None, "").names == ()
        assert pull.list_repositories(OPERATOR, upstream, None, "").names == (PRIVATE, PUBLIC)
