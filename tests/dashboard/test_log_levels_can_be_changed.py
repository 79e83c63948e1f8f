"""An operator changes a logger's level for a while; the change is shown, and is on record."""

from __future__ import annotations

import time

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import logbook
from cache.logbook import Override
from cache.runtime import Runtime
from tests.dashboard.conftest import SignedIn

URL = "/dashboard/logs/levels/"


@pytest.fixture
def operator(signed_in: SignedIn, mirror: Runtime) -> Client:
    return signed_in("operator")


def overrides(mirror: Runtime) -> dict[str, Override]:
    return logbook.levels_of(mirror.config.storage.root).overrides(time.time())


def change(client: Client, logger: str, level: str, duration: str = "10m") -> str:
    form = {"logger": logger, "level": level, "for": duration}
    return client.post(f"{URL}change/", form, follow=True).content.decode()


def test_for_ten_minutes(operator: Client, mirror: Runtime) -> None:
    page = change(operator, "cache.upstream", "debug")
    held = overrides(mirror)["cache.upstream"]
    assert held.level == "debug"
    assert held.by == "the-operator"
    assert held.until is not None
    assert 595 < held.until - held.since < 605
    assert "All processes follow within two seconds" in page
    assert "changed here by the-operator, until" in " ".join(page.split())
    assert "changed here, for cache.upstream" in page  # cache.upstream.breaker


def test_until_it_is_changed_back(operator: Client, mirror: Runtime) -> None:
    change(operator, "cache.pull", "error", "always")
    assert overrides(mirror)["cache.pull"].until is None
    page = change(operator, "cache.pull", "back")
    assert overrides(mirror) == {}
    assert "Changed the level back" in page


def test_who_changed_what_stays_on_record(operator: Client) -> None:
    change(operator, "cache.pull", "debug", "1h")
    change(operator, "cache.pull", "back")
    latest, first = LogEntry.objects.order_by("-pk")
    assert str(first.user) == "the-operator"
    assert first.object_repr == "cache.pull"
    assert first.change_message.startswith("Changed the level to debug until ")
    assert latest.change_message == "Changed the level back."


@pytest.mark.parametrize(
    ("logger", "level", "duration", "said"),
    [
        ("httpx", "debug", "10m", "only those of cache, dashboard"),
        ("cache.pull", "loud", "10m", "there is no level loud"),
        ("cache.pull", "debug", "a while", "for how long is not known"),
        ("", "debug", "10m", "cannot be changed"),
        ("I am no logger", "back", "10m", "I am no logger&#x27; is not changed"),
        ("cache.pull", "back", "10m", "cache.pull&#x27; is not changed"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    operator: Client, mirror: Runtime, logger: str, level: str, duration: str, said: str
) -> None:
    assert said in change(operator, logger, level, duration)
    assert overrides(mirror) == {}
    assert not LogEntry.objects.exists()


def test_a_change_that_cannot_be_made_leaves_no_record(operator: Client, mirror: Runtime) -> None:
    in_its_place = logbook.folder_of(mirror.config.storage.root) / "levels.json"
    in_its_place.mkdir(parents=True)
    assert "Nothing was changed: " in change(operator, "cache.pull", "debug")
    assert not LogEntry.objects.exists()
