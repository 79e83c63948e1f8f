"""What each repository holds, and when it was last pulled, kept beside it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import Max, OuterRef, Subquery


def take_over_last_pulls(apps: Any, _schema: Any) -> None:
    """The last pull of a repository is that of its manifests. Sizes are the janitor's business."""
    links = apps.get_model("cache", "ManifestLink").objects.filter(repository=OuterRef("pk"))
    latest = links.order_by().values("repository").annotate(at=Max("pulled_at")).values("at")
    apps.get_model("cache", "Repository").objects.update(pulled_at=Subquery(latest))


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0012_purges"),
    ]

    operations = [
        migrations.AddField(
            model_name="repository", name="size", field=models.BigIntegerField(db_default=0)
        ),
        migrations.AddField(
            model_name="repository", name="sized_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="repository", name="pulled_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddIndex(
            model_name="repository",
            index=models.Index(fields=["size"], name="repository_size"),
        ),
        migrations.AddIndex(
            model_name="repository",
            index=models.Index(fields=["sized_at"], name="repository_sized"),
        ),
        migrations.AddIndex(
            model_name="repository",
            index=models.Index(fields=["pulled_at"], name="repository_pulled"),
        ),
        migrations.RunPython(take_over_last_pulls, migrations.RunPython.noop),
    ]
