"""What authentication costs, and what a large database does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import synthetic
from bench.nginx import PASSWORD, USER
from bench.synthetic import Shape
from bench.systems import mirrorsite, signed_in
from bench.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage
    from tests.e2e.mirror import Mirror

UNIT = "req/s"


def with_authentication(stage: Stage) -> Iterator[Row]:
    """A private image, pulled with a token from the token server."""
    settings = {
        "REGISTRY_PROXY_USERNAME": USER,
        "REGISTRY_PROXY_PASSWORD": PASSWORD,
        "REGISTRY_ACCESS_TOKEN_LIFETIME": "24h",
    }
    with mirrorsite(
        stage.home / "private", stage.nginx.private, settings=settings, headers=signed_in
    ) as private:
        path = stage.image.by_digest
        size = stage.content.file(path).stat().st_size
        ours, open_to_all = stage.rates((private, stage.ours), [path], size)
    other = "without"
    what = "manifest by digest, private image, with a token"
    yield Row("auth", what, UNIT, ours, {other: open_to_all}, (Goal(0.8, other),))


def with_a_million_blobs(stage: Stage) -> Iterator[Row]:
    """The same requests where the database has a million blobs, and 200,000 tags."""
    shape = Shape(manifests=stage.plan.manifests, repositories=max(20, stage.plan.manifests // 100))

    def fill(mirror: Mirror) -> None:
        stage.say(f"writing {shape.blobs:,} blobs into a database")
        # It makes the tables.
        mirror.start()
        mirror.stop()
        synthetic.write_sqlite(shape, mirror.root / "mirror.sqlite3")

    settings = {"REGISTRY_STORAGE_SCRUB_INTERVAL": "0", "REGISTRY_PROXY_TTL": "0"}
    with mirrorsite(
        stage.home / "million", stage.nginx.upstream, settings=settings, prepare=fill
    ) as large:
        other = "an empty one"
        for key, what, path in (
            ("million-digest", "manifest by digest", stage.image.by_digest),
            ("million-tag", "tag checked at every pull", stage.image.by_tag),
            ("million-blob", "config blob", stage.image.config.path),
        ):
            size = stage.content.file(path).stat().st_size
            ours, empty = stage.rates((large, stage.ours), [path], size)
            where = f"{what}, database of {shape.blobs:,} blobs"
            yield Row(key, where, UNIT, ours, {other: empty}, (Goal(0.9, other),))
