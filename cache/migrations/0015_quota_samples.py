"""What was left of upstreams' quotas, for a chart."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cache", "0014_janitor_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="QuotaSample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("upstream", models.CharField(max_length=255)),
                ("start", models.DateTimeField()),
                ("total", models.BigIntegerField()),
                ("remaining", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("upstream", "start"), name="quota_sample_once"
                    )
                ],
            },
        ),
    ]
