from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F


def count_what_is_held_as_pulled(apps: Any, schema_editor: Any) -> None:
    """What is here was last pulled when it came, as far as anybody knows."""
    alias = schema_editor.connection.alias
    for model, came in (("Blob", "stored_at"), ("ManifestLink", "proved_at")):
        apps.get_model("cache", model).objects.using(alias).update(pulled_at=F(came))


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0002_access"),
    ]

    operations = [
        migrations.CreateModel(
            name="DoomedFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=135, unique=True)),
                ("size", models.BigIntegerField()),
                ("pulled_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Pin",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("selection", models.CharField(max_length=512, unique=True)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=150)),
            ],
        ),
        migrations.CreateModel(
            name="Removal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("expired", "Expired"),
                            ("max_size", "Max Size"),
                            ("min_free", "Min Free"),
                            ("purged", "Purged"),
                        ],
                        max_length=8,
                    ),
                ),
                ("detail", models.CharField(max_length=255)),
                ("by", models.CharField(max_length=150)),
                ("upstream", models.CharField(blank=True, max_length=255)),
                ("repository", models.CharField(blank=True, max_length=255)),
                ("tags", models.TextField(blank=True)),
                ("digest", models.CharField(max_length=135)),
                ("blobs", models.PositiveIntegerField()),
                ("size", models.BigIntegerField()),
                ("pulled_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="blob", name="pulled_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="manifestlink", name="pulled_at", field=models.DateTimeField(null=True)
        ),
        migrations.RunPython(count_what_is_held_as_pulled, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="blob", name="pulled_at", field=models.DateTimeField()
        ),
        migrations.AlterField(
            model_name="manifestlink", name="pulled_at", field=models.DateTimeField()
        ),
        migrations.AddIndex(
            model_name="blob",
            index=models.Index(fields=["pulled_at", "size"], name="blob_pulled"),
        ),
        migrations.AddIndex(
            model_name="manifestlink",
            index=models.Index(fields=["pulled_at"], name="manifest_link_pulled"),
        ),
    ]
