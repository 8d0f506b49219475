"""The repetition of a request that began an action on many finds the action, also while the first is under way."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("upnext", "0014_functions_with_queues"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkaction",
            name="seed",
            field=models.CharField(
                editable=False, max_length=64, null=True, unique=True, verbose_name="request"
            ),
        ),
    ]
