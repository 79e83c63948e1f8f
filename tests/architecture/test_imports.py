from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import permutations
from pathlib import Path

import pytest

from tests.architecture.house import LONGEST_FILE, ROOMS, misshapen_files, wrong_imports

ROOT = Path(__file__).parents[2]


def built(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def test_every_import_is_one_that_the_design_allows() -> None:
    assert wrong_imports(ROOT) == []


def test_every_file_is_short_and_named_for_what_it_does() -> None:
    assert misshapen_files(ROOT) == []


def test_imports_go_one_way() -> None:
    # Raises CycleError, with the rooms of the circle, if they do not.
    TopologicalSorter(ROOMS).prepare()


def test_only_pull_joins_streaming_upstream_and_catalog() -> None:
    for one, other in permutations(("cache.streaming", "cache.upstream", "cache.catalog"), 2):
        assert other not in ROOMS[one]


def test_the_cache_never_imports_the_dashboard() -> None:
    for room, allowed in ROOMS.items():
        if room.startswith("cache"):
            assert "dashboard" not in allowed
            assert "mirrorsite" not in allowed


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("cache/oci/x.py", "import django", "cache.oci.x may not import django"),
        ("cache/streaming/x.py", "import django.conf", "may not import django"),
        ("cache/config/x.py", "from django.conf import settings", "may not import django"),
        ("cache/freshness.py", "from django import db", "may not import django"),
        ("cache/pull.py", "from django.db import models", "may not import django"),
        ("cache/pull.py", "import httpx", "cache.pull may not import httpx"),
        ("cache/runtime.py", "import httpx as h", "may not import httpx"),
        ("cache/runtime.py", "from django.http import Http404", "may not import django.http"),
        ("cache/catalog.py", "from django import http", "may not import django.http"),
        ("dashboard/queries.py", "import django.http", "may not import django.http"),
        ("cache/management/commands/x.py", "import ninja", "may not import ninja"),
        ("cache/api/x.py", "from gunicorn.app import base", "may not import gunicorn"),
        ("cache/api/x.py", "import cache.models", "cache.api may not import cache.models"),
        ("cache/pull.py", "from cache import models", "cache.pull may not import cache.models"),
        ("cache/pull.py", "from . import models", "cache.pull may not import cache.models"),
        ("cache/pull.py", "from .models.tag import Tag", "may not import cache.models"),
        ("cache/streaming/x.py", "from .. import catalog", "may not import cache.catalog"),
        ("cache/streaming/__init__.py", "from ..upstream import x", "may not import cache.up"),
        ("cache/streaming/a/b.py", "from ...catalog import x", "may not import cache.catalog"),
        ("cache/upstream/x.py", "import cache.streaming.fill", "may not import cache.streaming"),
        ("cache/catalog.py", "from cache.upstream import client", "may not import cache.up"),
        ("cache/runtime.py", "import dashboard.pages", "cache.runtime may not import dashboard"),
        ("cache/runtime.py", "from mirrorsite import settings", "may not import mirrorsite"),
        ("cache/oci/x.py", "import cache", "cache.oci may not import cache"),
        ("cache/oci/x.py", "from cache import *", "cache.oci may not import cache.*"),
        ("cache/oci/x.py", "def f():\n    import httpx", "x.py:2: cache.oci.x may not"),
        (
            "cache/oci/x.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cache import pull\n",
            "x.py:3: cache.oci may not import cache.pull",
        ),
        ("cache/attic/x.py", "import os", "cache.attic is no room of the house"),
        ("manage.py", "import cache.pull", "manage.py:1: manage may not import cache.pull"),
    ],
)
def test_an_import_that_breaks_the_design_is_found(
    tmp_path: Path, file: str, text: str, fault: str
) -> None:
    found = wrong_imports(built(tmp_path, {file: text}))
    assert len(found) == 1
    assert found[0].startswith(f"{file}:")
    assert fault in found[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cache/upstream/client.py", "import httpx"),
        ("cache/upstream/client.py", "from .challenge import parse\nfrom ..oci import digest"),
        ("cache/api/blobs.py", "from django.http import HttpRequest\nfrom ninja import Router"),
        ("cache/api/blobs.py", "from cache import pull\nfrom cache.oci.digest import Digest"),
        ("cache/catalog.py", "from django.db import transaction\nfrom cache import models"),
        ("cache/pull.py", "from cache import catalog, freshness, streaming, upstream"),
        ("dashboard/views/pages.py", "from django.http import HttpResponse\nimport cache.models"),
        ("mirrorsite/gunicorn_conf.py", "import gunicorn\nfrom cache.config import load"),
        ("tests/x.py", "import httpx, dashboard"),
        ("cache/oci/x.py", "import djangoesque, httpx_like"),
    ],
)
def test_an_import_that_follows_the_design_is_left_alone(
    tmp_path: Path, file: str, text: str
) -> None:
    assert wrong_imports(built(tmp_path, {file: text})) == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("cache/x.py", "\n" * (LONGEST_FILE + 1), "401 lines"),
        ("tests/oci/test_x.py", "\n" * (LONGEST_FILE + 1), "401 lines"),
        ("cache/utils.py", "", "say in the name"),
        ("cache/api/helpers.py", "", "say in the name"),
        ("dashboard/common/__init__.py", "", "say in the name"),
        ("bench/services.py", "", "say in the name"),
        ("cache/x.py", "if True:\n    class BlobManager:\n        pass", "x.py:2: BlobManager"),
    ],
)
def test_a_file_that_is_too_long_or_named_for_nothing_is_found(
    tmp_path: Path, file: str, text: str, fault: str
) -> None:
    found = misshapen_files(built(tmp_path, {file: text}))
    assert len(found) == 1
    assert fault in found[0]


def test_a_file_of_the_longest_length_is_allowed(tmp_path: Path) -> None:
    assert misshapen_files(built(tmp_path, {"cache/x.py": "\n" * LONGEST_FILE})) == []
