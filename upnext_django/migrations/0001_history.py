from django.db import migrations, models

import upnext_django.models.job_id


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="FunctionRecord",
            fields=[
                (
                    "function",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="function"
                    ),
                ),
                ("function_name", models.CharField(default="", max_length=255, verbose_name="task")),
                ("queue", models.CharField(default="", max_length=64, verbose_name="queue")),
                ("kind", models.CharField(default="task", max_length=16, verbose_name="kind")),
                ("definition", models.JSONField(default=dict, verbose_name="definition")),
                ("seen_at", models.DateTimeField(verbose_name="last changed")),
            ],
            options={
                "verbose_name": "function",
                "verbose_name_plural": "functions",
                "ordering": ["function"],
                "permissions": [("pause_function", "Can pause and resume functions")],
                "default_permissions": ("view", "delete"),
            },
        ),
        migrations.CreateModel(
            name="WorkerRecord",
            fields=[
                (
                    "id",
                    models.CharField(max_length=128, primary_key=True, serialize=False, verbose_name="id"),
                ),
                ("host", models.CharField(default="", max_length=255, verbose_name="host")),
                ("pid", models.IntegerField(null=True, verbose_name="process")),
                ("version", models.CharField(default="", max_length=64, verbose_name="version")),
                ("queues", models.JSONField(default=list, verbose_name="queues")),
                ("concurrency", models.IntegerField(default=0, verbose_name="concurrency")),
                ("running", models.IntegerField(default=0, verbose_name="running")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("seen_at", models.DateTimeField(null=True, verbose_name="last seen")),
                ("left_at", models.DateTimeField(null=True, verbose_name="left")),
                ("details", models.JSONField(default=dict, verbose_name="details")),
            ],
            options={
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
                "ordering": ["-started_at", "-id"],
                "permissions": [("control_worker", "Can quiet and stop workers")],
                "default_permissions": ("view", "delete"),
            },
        ),
        migrations.CreateModel(
            name="ArtifactRecord",
            fields=[
                (
                    "id",
                    upnext_django.models.job_id.JobIdField(
                        primary_key=True, serialize=False, verbose_name="id"
                    ),
                ),
                ("job_id", upnext_django.models.job_id.JobIdField(verbose_name="job")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                (
                    "artifact_type",
                    models.CharField(
                        choices=[
                            ("json", "JSON"),
                            ("text", "text"),
                            ("png", "PNG"),
                            ("jpeg", "JPEG"),
                            ("webp", "WebP"),
                            ("gif", "GIF"),
                            ("svg", "SVG"),
                            ("pdf", "PDF"),
                            ("csv", "CSV"),
                            ("xml", "XML"),
                            ("html", "HTML"),
                            ("binary", "binary"),
                        ],
                        max_length=16,
                        verbose_name="type",
                    ),
                ),
                ("size_bytes", models.BigIntegerField(verbose_name="size in bytes")),
                ("path", models.CharField(max_length=500, verbose_name="path")),
                ("created_at", models.DateTimeField(verbose_name="created")),
            ],
            options={
                "verbose_name": "artifact",
                "verbose_name_plural": "artifacts",
                "ordering": ["-id"],
                "default_permissions": ("view", "delete"),
                "indexes": [models.Index(fields=["job_id", "id"], name="upnext_artifact_job")],
            },
        ),
        migrations.CreateModel(
            name="AttemptRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", upnext_django.models.job_id.JobIdField(verbose_name="job")),
                ("number", models.IntegerField(verbose_name="attempt")),
                ("token", models.IntegerField(verbose_name="claim")),
                ("worker_id", models.CharField(max_length=128, null=True, verbose_name="worker")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("complete", "complete"),
                            ("failed", "failed"),
                            ("timed_out", "timed out"),
                            ("cancelled", "cancelled"),
                            ("handed_back", "handed back"),
                            ("lost", "worker lost"),
                        ],
                        default="active",
                        max_length=16,
                        verbose_name="outcome",
                    ),
                ),
                ("error_type", models.CharField(max_length=255, null=True, verbose_name="error type")),
                ("error", models.TextField(null=True, verbose_name="error")),
                ("traceback", models.TextField(null=True, verbose_name="traceback")),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("job_id", "token"), name="upnext_attempt_claim")
                ],
            },
        ),
        migrations.CreateModel(
            name="DeadLetterRecord",
            fields=[
                (
                    "job_id",
                    upnext_django.models.job_id.JobIdField(
                        primary_key=True, serialize=False, verbose_name="job"
                    ),
                ),
                ("function", models.CharField(max_length=255, verbose_name="function")),
                ("function_name", models.CharField(max_length=255, verbose_name="task")),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                ("failed_at", models.DateTimeField(verbose_name="failed")),
                ("attempts", models.IntegerField(verbose_name="attempts")),
                ("crashes", models.IntegerField(verbose_name="crashes")),
                ("error_type", models.CharField(max_length=255, null=True, verbose_name="error type")),
                ("error", models.TextField(null=True, verbose_name="error")),
                (
                    "replayed_as",
                    upnext_django.models.job_id.JobIdField(null=True, verbose_name="replayed as"),
                ),
            ],
            options={
                "verbose_name": "dead letter",
                "verbose_name_plural": "dead letters",
                "ordering": ["-job_id"],
                "permissions": [("replay_deadletter", "Can replay dead letters")],
                "default_permissions": ("view", "delete"),
                "indexes": [
                    models.Index(fields=["function", "job_id"], name="upnext_dead_function"),
                    models.Index(fields=["failed_at"], name="upnext_dead_failed"),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobRecord",
            fields=[
                (
                    "id",
                    upnext_django.models.job_id.JobIdField(
                        primary_key=True, serialize=False, verbose_name="id"
                    ),
                ),
                ("function", models.CharField(default="", max_length=255, verbose_name="function")),
                ("function_name", models.CharField(default="", max_length=255, verbose_name="task")),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("scheduled", "scheduled"),
                            ("queued", "queued"),
                            ("active", "active"),
                            ("retrying", "retrying"),
                            ("complete", "complete"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("kind", models.CharField(default="task", max_length=16, verbose_name="kind")),
                ("parent_id", upnext_django.models.job_id.JobIdField(null=True, verbose_name="parent")),
                ("root_id", upnext_django.models.job_id.JobIdField(null=True, verbose_name="root")),
                ("replay_of", upnext_django.models.job_id.JobIdField(null=True, verbose_name="replay of")),
                (
                    "duplicate_of",
                    upnext_django.models.job_id.JobIdField(null=True, verbose_name="duplicate of"),
                ),
                ("priority", models.SmallIntegerField(default=0, verbose_name="priority")),
                ("attempts", models.IntegerField(default=0, verbose_name="attempts")),
                ("max_attempts", models.IntegerField(default=1, verbose_name="maximum of attempts")),
                ("crashes", models.IntegerField(default=0, verbose_name="crashes")),
                ("handbacks", models.IntegerField(db_default=0, default=0, verbose_name="hand-backs")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("run_at", models.DateTimeField(null=True, verbose_name="not before")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("completed_at", models.DateTimeField(null=True, verbose_name="completed")),
                ("worker_id", models.CharField(max_length=128, null=True, verbose_name="worker")),
                ("arguments", models.JSONField(null=True, verbose_name="arguments")),
                ("result", models.JSONField(null=True, verbose_name="result")),
                ("error_type", models.CharField(max_length=255, null=True, verbose_name="error type")),
                ("error", models.TextField(null=True, verbose_name="error")),
                ("progress", models.FloatField(null=True, verbose_name="progress")),
                ("progress_message", models.TextField(null=True, verbose_name="progress message")),
                ("checkpoint", models.JSONField(null=True, verbose_name="checkpoint")),
                ("cache_hit", models.BooleanField(default=False, verbose_name="cache hit")),
                ("schedule", models.CharField(max_length=255, null=True, verbose_name="schedule")),
                (
                    "idempotency_key",
                    models.CharField(max_length=255, null=True, verbose_name="idempotency key"),
                ),
                ("code_version", models.CharField(max_length=64, null=True, verbose_name="code version")),
                ("meta", models.JSONField(null=True, verbose_name="meta")),
                ("seq", models.IntegerField(default=0, editable=False, verbose_name="newest event")),
                ("token", models.IntegerField(default=0, editable=False, verbose_name="newest claim")),
            ],
            options={
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
                "ordering": ["-id"],
                "permissions": [
                    ("retry_job", "Can retry jobs"),
                    ("cancel_job", "Can cancel jobs"),
                    ("view_payload", "Can view unmasked payloads"),
                ],
                "default_permissions": ("view", "delete"),
                "indexes": [
                    models.Index(fields=["status", "id"], name="upnext_job_status"),
                    models.Index(fields=["function", "id"], name="upnext_job_function"),
                    models.Index(fields=["queue", "id"], name="upnext_job_queue"),
                    models.Index(fields=["created_at"], name="upnext_job_created"),
                    models.Index(
                        condition=models.Q(("parent_id__isnull", False)),
                        fields=["root_id", "id"],
                        name="upnext_job_root",
                    ),
                    models.Index(
                        condition=models.Q(("parent_id__isnull", False)),
                        fields=["parent_id", "id"],
                        name="upnext_job_parent",
                    ),
                    models.Index(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=["idempotency_key"],
                        name="upnext_job_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LogRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", upnext_django.models.job_id.JobIdField(verbose_name="job")),
                ("seq", models.IntegerField(verbose_name="event")),
                ("position", models.IntegerField(verbose_name="position")),
                ("at", models.DateTimeField(verbose_name="time")),
                ("level", models.CharField(max_length=16, verbose_name="level")),
                ("message", models.TextField(verbose_name="message")),
                ("data", models.JSONField(null=True, verbose_name="data")),
            ],
            options={
                "verbose_name": "log line",
                "verbose_name_plural": "log lines",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("job_id", "seq", "position"), name="upnext_log_line")
                ],
            },
        ),
    ]
