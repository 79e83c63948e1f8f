"""The janitor's runs, for the operator to see."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0013_repository_sizes"),
    ]

    operations = [
        migrations.CreateModel(
            name="JanitorRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("images", models.PositiveIntegerField(default=0)),
                ("blobs", models.PositiveIntegerField(default=0)),
                ("size", models.BigIntegerField(default=0)),
                ("held", models.BigIntegerField(default=0)),
                ("over", models.BigIntegerField(default=0)),
                ("short", models.BigIntegerField(default=0)),
                ("problem", models.TextField(blank=True)),
            ],
        ),
    ]
