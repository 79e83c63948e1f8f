"""How long the dashboard's pages take over a large mirror: `python -m bench.dashboard`.

It fills a database in a temporary folder with a million blobs and with the traffic rows that ten
million pulls leave behind, and asks for each page several times.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cache.models import Traffic

BLOBS = 1_000_000
REPOSITORIES = 2_000
PULLS = 10_000_000
ROUNDS = 7
BATCH = 20_000

#: Every page answers within so many milliseconds.
ALLOWED = 300.0

PAGES = (
    "/dashboard/?range=1h",
    "/dashboard/?range=24h",
    "/dashboard/?range=7d",
    "/dashboard/?range=30d",
    "/dashboard/transfers/",
    "/dashboard/repositories/",
    "/dashboard/repositories/?order=pulls",
    "/dashboard/repositories/?pulled=never",
    "/dashboard/repositories/?text=image-19",
    "/dashboard/repositories/1/",
    "/dashboard/access/",
    "/dashboard/upstreams/",
    "/dashboard/logs/",
    "/dashboard/logs/?level=debug&text=nothing+has+this",
    "/dashboard/logs/levels/",
    "/dashboard/connect/",
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIRROR_CONFIG"] = os.devnull
        os.environ["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "mirrorsite.settings"
        import django  # noqa: PLC0415 - the settings read the environment

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        _fill(Path(folder))
        return _measure()


def _fill(root: Path) -> None:
    from cache import logbook, models  # noqa: PLC0415

    now = datetime.now(UTC)
    for first in range(0, BLOBS, BATCH):
        models.Blob.objects.bulk_create(
            models.Blob(digest=f"sha256:{n:064x}", size=n, stored_at=now)
            for n in range(first, first + BATCH)
        )
    models.Repository.objects.bulk_create(
        models.Repository(upstream="docker.io", name=f"library/image-{n}", first_seen_at=now)
        for n in range(REPOSITORIES)
    )
    keys = list(models.Repository.objects.order_by("pk").values_list("pk", flat=True))
    for first in range(0, BLOBS, BATCH):
        models.BlobLink.objects.bulk_create(
            models.BlobLink(
                repository_id=keys[n % REPOSITORIES], digest=f"sha256:{n:064x}", proved_at=now
            )
            for n in range(first, first + BATCH)
        )
    hour = now.replace(minute=0, second=0, microsecond=0)
    spans = (
        ("d", [hour.replace(hour=0) - timedelta(days=n) for n in range(400)]),
        ("h", [hour - timedelta(hours=n) for n in range(8 * 24)]),
    )
    pulls = PULLS // (400 * REPOSITORIES) + 1
    for span, starts in spans:
        for start in starts:
            rows = [_traffic(span, start, f"library/image-{n}", pulls) for n in range(REPOSITORIES)]
            rows.append(_traffic(span, start, "", pulls * REPOSITORIES))
            models.Traffic.objects.bulk_create(rows)
    minute = now.replace(second=0, microsecond=0)
    models.Traffic.objects.bulk_create(
        _traffic("m", minute - timedelta(minutes=n), "", 1000) for n in range(2 * 24 * 60)
    )
    for process in range(4):
        _fill_log(logbook.folder_of(root), process)


def _traffic(span: str, start: datetime, repository: str, pulls: int) -> Traffic:
    from cache import models  # noqa: PLC0415

    return models.Traffic(
        span=span,
        start=start,
        upstream="docker.io",
        repository=repository,
        requests=4 * pulls,
        pulls=pulls,
        hits=2 * pulls,
        misses=pulls,
        served=10**8 * pulls,
        fetched=10**6 * pulls,
        fetch_ms=100,
    )


def _fill_log(folder: Path, process: int) -> None:
    """Full files of processes that have written as much as they keep."""
    from cache.logbook import Entry  # noqa: PLC0415
    from cache.logbook.entry import to_line  # noqa: PLC0415
    from cache.logbook.writer import LARGEST_FILE, OLD, SUFFIX  # noqa: PLC0415

    folder.mkdir(exist_ok=True)
    for number, suffix in enumerate((OLD + SUFFIX, SUFFIX)):
        lines: list[bytes] = []
        size = 0
        while size < LARGEST_FILE - 1000:
            at = time.time() - 3600 + len(lines) / 10
            message = f"record {len(lines)} of a process, of about the usual length, for a page"
            entry = Entry(
                at, f"{process}.{number}.{len(lines)}", "info", "cache.x", message, process
            )
            lines.append(to_line(entry))
            size += len(lines[-1])
        (folder / f"{900_000 + process}{suffix}").write_bytes(b"".join(lines))


def _measure() -> int:
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    client = Client()
    user = User.objects.create_superuser("bench", password="bench")
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    too_slow = 0
    for path in PAGES:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            status = client.get(path).status_code
            times.append((time.perf_counter() - began) * 1000)
            if status != 200:
                raise SystemExit(f"{path} answered {status}")
        median, worst = statistics.median(times), max(times)
        too_slow += median > ALLOWED
        print(f"{path:55} median {median:7.1f} ms   worst {worst:7.1f} ms")
    return 1 if too_slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
