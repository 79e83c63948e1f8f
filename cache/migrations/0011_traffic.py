"""Traffic by minute, hour and day; hourly samples of the disk; outages of upstreams."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0010_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="DiskSample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(unique=True)),
                ("used", models.BigIntegerField()),
                ("free", models.BigIntegerField()),
                ("held", models.BigIntegerField()),
                ("blobs", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("upstream", models.CharField(max_length=255)),
                ("began_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("problem", models.TextField()),
            ],
            options={
                "indexes": [models.Index(fields=["began_at"], name="outage_latest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("upstream",),
                        name="outage_now_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Traffic",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "span",
                    models.CharField(
                        choices=[("m", "Minute"), ("h", "Hour"), ("d", "Day")], max_length=1
                    ),
                ),
                ("start", models.DateTimeField()),
                ("upstream", models.CharField(max_length=255)),
                ("repository", models.CharField(blank=True, max_length=255)),
                ("requests", models.BigIntegerField(default=0)),
                ("pulls", models.BigIntegerField(default=0)),
                ("hits", models.BigIntegerField(default=0)),
                ("misses", models.BigIntegerField(default=0)),
                ("stale", models.BigIntegerField(default=0)),
                ("served", models.BigIntegerField(default=0)),
                ("fetched", models.BigIntegerField(default=0)),
                ("fetch_ms", models.BigIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("repository", "")),
                        fields=["span", "start"],
                        name="traffic_of_upstreams",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("span", "start", "upstream", "repository"), name="traffic_once"
                    )
                ],
            },
        ),
    ]
