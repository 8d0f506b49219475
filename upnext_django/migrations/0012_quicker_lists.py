"""Indexes for what the lists look for: groups of failures, a worker's jobs, a status with a function."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("upnext", "0011_totals"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="deadletterrecord",
            name="upnext_dead_print",
        ),
        migrations.RemoveIndex(
            model_name="jobrecord",
            name="upnext_job_status",
        ),
        migrations.RemoveIndex(
            model_name="jobrecord",
            name="upnext_job_created",
        ),
        migrations.AddIndex(
            model_name="deadletterrecord",
            index=models.Index(
                condition=models.Q(("discarded_at__isnull", True), ("replayed_as__isnull", True)),
                fields=["fingerprint", "failed_at", "function_name"],
                name="upnext_dead_print",
            ),
        ),
        migrations.AddIndex(
            model_name="deadletterrecord",
            index=models.Index(
                condition=models.Q(("discarded_at__isnull", True), ("replayed_as__isnull", True)),
                fields=["job_id"],
                name="upnext_dead_open",
            ),
        ),
        migrations.AddIndex(
            model_name="jobrecord",
            index=models.Index(fields=["status", "id", "function"], name="upnext_job_status"),
        ),
        migrations.AddIndex(
            model_name="jobrecord",
            index=models.Index(
                condition=models.Q(("worker_id__isnull", False)),
                fields=["worker_id", "id"],
                name="upnext_job_worker",
            ),
        ),
        migrations.AddIndex(
            model_name="jobrecord",
            index=models.Index(fields=["created_at", "id"], name="upnext_job_created"),
        ),
    ]
