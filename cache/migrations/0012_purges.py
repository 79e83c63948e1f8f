"""Purges that operators ask for in the dashboard; removals by reason and by repository."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0011_traffic"),
    ]

    operations = [
        migrations.CreateModel(
            name="PurgeOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("looking", "Looking"),
                            ("shown", "Shown"),
                            ("confirmed", "Confirmed"),
                            ("at_work", "At Work"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="asked",
                        max_length=9,
                    ),
                ),
                ("what", models.CharField(blank=True, max_length=512)),
                ("unused_for", models.BigIntegerField(null=True)),
                ("to_free", models.BigIntegerField(null=True)),
                ("leave", models.BigIntegerField(null=True)),
                ("why", models.CharField(blank=True, max_length=100)),
                ("by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
                ("shown_at", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("beat_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("with_pinned", models.BooleanField(default=False)),
                ("is_to_stop", models.BooleanField(default=False)),
                ("images", models.PositiveIntegerField(default=0)),
                ("blobs", models.PositiveIntegerField(default=0)),
                ("size", models.BigIntegerField(default=0)),
                ("problem", models.TextField(blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["state"], name="purge_order_state")],
            },
        ),
        migrations.CreateModel(
            name="PurgeItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE,
                        related_name="items",
                        to="cache.purgeorder",
                    ),
                ),
                ("place", models.PositiveIntegerField()),
                ("is_image", models.BooleanField()),
                ("upstream", models.CharField(blank=True, max_length=255)),
                ("repository", models.CharField(blank=True, max_length=255)),
                ("tags", models.TextField(blank=True)),
                ("digest", models.CharField(max_length=135)),
                ("pulled_at", models.DateTimeField()),
                ("blobs", models.PositiveIntegerField()),
                ("size", models.BigIntegerField()),
                ("shared", models.BigIntegerField(default=0)),
                ("shared_with", models.TextField(blank=True)),
                ("sharers", models.PositiveIntegerField(default=0)),
                ("is_pinned", models.BooleanField(default=False)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("gone", "Gone"),
                            ("missing", "Missing"),
                            ("pulled", "Pulled"),
                            ("pinned", "Pinned"),
                            ("left", "Left"),
                        ],
                        max_length=7,
                    ),
                ),
                ("freed", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("order", "place"), name="purge_item_once")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="removal",
            index=models.Index(fields=["reason", "at"], name="removal_by_reason"),
        ),
        migrations.AddIndex(
            model_name="removal",
            index=models.Index(fields=["repository", "at"], name="removal_by_repository"),
        ),
    ]
