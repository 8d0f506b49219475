"""Schedules that operators keep, and the jobs of one schedule found quickly."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("upnext", "0006_outbox"),
    ]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255, unique=True, verbose_name="name")),
                (
                    "function",
                    models.CharField(
                        help_text="Its identity, like shop.tasks.send_report.",
                        max_length=255,
                        verbose_name="function",
                    ),
                ),
                (
                    "expression",
                    models.CharField(
                        blank=True,
                        help_text="Like 0 9 * * *, */10 * * * * * or @daily.",
                        max_length=200,
                        verbose_name="expression",
                    ),
                ),
                (
                    "timezone",
                    models.CharField(
                        blank=True,
                        help_text="Empty for the project's own.",
                        max_length=64,
                        verbose_name="time zone",
                    ),
                ),
                ("args", models.JSONField(blank=True, default=list, verbose_name="positional arguments")),
                ("kwargs", models.JSONField(blank=True, default=dict, verbose_name="keyword arguments")),
                (
                    "queue",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty for the function's own.",
                        max_length=64,
                        verbose_name="queue",
                    ),
                ),
                (
                    "missed_run_policy",
                    models.CharField(
                        choices=[
                            ("latest_only", "run the latest"),
                            ("catch_up", "run all"),
                            ("skip", "run none"),
                        ],
                        default="latest_only",
                        max_length=16,
                        verbose_name="missed runs",
                    ),
                ),
                (
                    "max_catch_up_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="Seconds; empty for no limit.",
                        null=True,
                        verbose_name="longest delay of a missed run",
                    ),
                ),
                (
                    "priority",
                    models.SmallIntegerField(
                        blank=True,
                        help_text="-100 to 100; empty for the function's own.",
                        null=True,
                        verbose_name="priority",
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="not before")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="not after")),
                ("paused", models.BooleanField(default=False, verbose_name="paused")),
                (
                    "declared",
                    models.BooleanField(default=False, editable=False, verbose_name="declared in code"),
                ),
                (
                    "begins_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="runs count from"
                    ),
                ),
                ("revision", models.BigIntegerField(default=0, editable=False, verbose_name="revision")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "updated_by",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=150, verbose_name="changed by"
                    ),
                ),
            ],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "ordering": ["name"],
                "permissions": [("run_schedule", "Can run schedules now")],
            },
        ),
        migrations.AddIndex(
            model_name="jobrecord",
            index=models.Index(
                condition=models.Q(("schedule__isnull", False)),
                fields=["schedule", "id"],
                name="upnext_job_schedule",
            ),
        ),
    ]
