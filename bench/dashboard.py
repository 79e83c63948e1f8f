"""How long the dashboard's pages take over a large mirror: `python -m bench.dashboard`.

It fills a database in a temporary folder with 200,000 manifests and a million blobs, the traffic
rows that ten million pulls leave behind, and what 90 days of eviction have recorded, and asks for
each page several times. The numbers are in `dashboard.md`.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench import synthetic

if TYPE_CHECKING:
    from cache.models import Traffic

SHAPE = synthetic.Shape()
PULLS = 10_000_000
REMOVALS = 300_000
PINS = 60
ITEMS = 50_000
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
    "/dashboard/repositories/?order=served",
    "/dashboard/repositories/?order=size",
    "/dashboard/repositories/?order=recent",
    "/dashboard/repositories/?order=idle",
    "/dashboard/repositories/?size=1024&order=size",
    "/dashboard/repositories/?pinned=yes",
    "/dashboard/repositories/?pinned=yes&order=size",
    "/dashboard/repositories/?pinned=no&visibility=unknown",
    "/dashboard/repositories/?text=app19",
    "/dashboard/repositories/1/",
    "/dashboard/repositories/1/?after=v100000",
    f"/dashboard/repositories/1/manifests/{synthetic.manifest_digest(100_000)}/",
    "/dashboard/pins/",
    "/dashboard/purge/",
    "/dashboard/purge/?reason=purged",
    "/dashboard/purge/?repository=team1/app1",
    "/dashboard/purge/?reason=expired&repository=team1/app1",
    "/dashboard/purge/1/",
    "/dashboard/purge/1/now/?after=25000",
    "/dashboard/overview/now/",
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
        os.environ["REGISTRY_PROXY_REMOTEURL"] = f"http://{synthetic.UPSTREAM}"
        os.environ["DJANGO_SETTINGS_MODULE"] = "mirrorsite.settings"
        import django  # noqa: PLC0415 - the settings read the environment

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        connection.close()
        synthetic.write_sqlite(SHAPE, Path(folder) / "mirror.sqlite3")
        _fill(Path(folder))
        return _measure()


def _fill(root: Path) -> None:
    from cache import logbook, retention  # noqa: PLC0415

    now = datetime.now(UTC)
    began = time.perf_counter()
    retention.add_up(now)
    print(f"{SHAPE.repositories} repositories added up in {time.perf_counter() - began:.1f} s")
    _fill_traffic(now)
    _fill_retention(now)
    for process in range(4):
        _fill_log(logbook.folder_of(root), process)


def _fill_traffic(now: datetime) -> None:
    from cache import models  # noqa: PLC0415

    hour = now.replace(minute=0, second=0, microsecond=0)
    spans = (
        ("d", [hour.replace(hour=0) - timedelta(days=n) for n in range(400)]),
        ("h", [hour - timedelta(hours=n) for n in range(8 * 24)]),
    )
    names = [SHAPE.name(n) for n in range(SHAPE.repositories)]
    pulls = PULLS // (400 * len(names)) + 1
    for span, starts in spans:
        for start in starts:
            rows = [_traffic(span, start, name, pulls) for name in names]
            rows.append(_traffic(span, start, "", pulls * len(names)))
            models.Traffic.objects.bulk_create(rows)
    minute = now.replace(second=0, microsecond=0)
    models.Traffic.objects.bulk_create(
        _traffic("m", minute - timedelta(minutes=n), "", 1000) for n in range(2 * 24 * 60)
    )
    ten_minutes = now.replace(minute=0, second=0, microsecond=0)
    models.QuotaSample.objects.bulk_create(
        models.QuotaSample(
            upstream=synthetic.UPSTREAM,
            start=ten_minutes - timedelta(minutes=10 * n),
            total=100,
            remaining=n % 100,
        )
        for n in range(8 * 24 * 6)
    )


def _fill_retention(now: datetime) -> None:
    """What was removed in 90 days, pins of every kind, runs, and a purge of very much."""
    from cache import models, retention  # noqa: PLC0415
    from cache.oci.selection import Selection  # noqa: PLC0415

    for first in range(0, REMOVALS, BATCH):
        models.Removal.objects.bulk_create(
            models.Removal(
                at=now - timedelta(seconds=25 * n),
                reason="purged" if n % 1000 == 0 else "expired",
                detail="last pulled 8 days ago, ttl 7 d",
                by="ada" if n % 1000 == 0 else "janitor",
                upstream=synthetic.UPSTREAM,
                repository=SHAPE.name(n % SHAPE.repositories),
                tags=f"v{n}",
                digest=f"sha256:{n:064x}",
                blobs=5,
                size=10**7,
                pulled_at=now,
            )
            for n in range(first, first + BATCH)
        )
    for n in range(PINS):
        name = SHAPE.name(n)
        text = (name, f"{name}:v{n}", f"team{n}/app{n}1*")[n % 3]
        retention.pin(Selection.parse(text), "ada", now)
    models.JanitorRun.objects.bulk_create(
        models.JanitorRun(began_at=now - timedelta(minutes=5 * n), ended_at=now, size=n)
        for n in range(500)
    )
    order = models.PurgeOrder.objects.create(
        what="**", by="ada", asked_at=now, shown_at=now, state="at_work", confirmed_at=now
    )
    for first in range(0, ITEMS, BATCH):
        models.PurgeItem.objects.bulk_create(
            models.PurgeItem(
                order=order,
                place=n,
                is_image=True,
                upstream=synthetic.UPSTREAM,
                repository=SHAPE.name(n % SHAPE.repositories),
                tags=f"v{n}",
                digest=f"sha256:{n:064x}",
                pulled_at=now,
                blobs=5,
                size=10**7,
                outcome="gone" if n % 2 else "",
            )
            for n in range(first, min(first + BATCH, ITEMS))
        )


def _traffic(span: str, start: datetime, repository: str, pulls: int) -> Traffic:
    from cache import models  # noqa: PLC0415

    return models.Traffic(
        span=span,
        start=start,
        upstream=synthetic.UPSTREAM,
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
        times, works = [], []
        for _ in range(ROUNDS):
            began, worked = time.perf_counter(), time.process_time()
            answer = client.get(path)
            times.append((time.perf_counter() - began) * 1000)
            works.append((time.process_time() - worked) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answered {answer.status_code}")
        median, work = statistics.median(times), statistics.median(works)
        too_slow += median > ALLOWED
        print(
            f"{path[:60]:60} median {median:7.1f} ms   worst {max(times):7.1f} ms   "
            f"processor {work:6.1f} ms   {len(answer.content) / 1024:6.1f} KiB",
            flush=True,
        )
    return 1 if too_slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
