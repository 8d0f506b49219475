"""A dead letter can be discarded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upnext", "0001_history")]

    operations = [
        migrations.AddField(
            model_name="deadletterrecord",
            name="discarded_at",
            field=models.DateTimeField(null=True, verbose_name="discarded"),
        ),
    ]
