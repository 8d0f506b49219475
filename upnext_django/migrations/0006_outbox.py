"""The outbox: jobs that are committed and not yet known to be in Redis."""

import django.utils.timezone
from django.db import migrations, models

import upnext_django.models.job_id


class Migration(migrations.Migration):
    dependencies = [("upnext", "0005_secret")]

    operations = [
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", upnext_django.models.job_id.JobIdField(unique=True, verbose_name="job")),
                ("redis", models.CharField(blank=True, default="", max_length=255, verbose_name="Redis")),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                ("function", models.CharField(max_length=255, verbose_name="function")),
                ("item", models.BinaryField(verbose_name="item")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="submitted"),
                ),
                ("set_aside_at", models.DateTimeField(null=True, verbose_name="set aside")),
                ("error", models.TextField(null=True, verbose_name="error")),
            ],
            options={
                "verbose_name": "outbox entry",
                "verbose_name_plural": "outbox entries",
                "ordering": ["id"],
                "default_permissions": ("view",),
            },
        ),
    ]
