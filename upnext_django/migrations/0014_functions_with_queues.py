"""A function's jobs in a queue, of which it may have none, are found without reading the others' rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("upnext", "0013_bulk_action"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="jobrecord",
            name="upnext_job_function",
        ),
        migrations.AddIndex(
            model_name="jobrecord",
            index=models.Index(fields=["function", "id", "queue"], name="upnext_job_function"),
        ),
    ]
