"""Secrets that workers find in their environment."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upnext", "0004_statistics")]

    operations = [
        migrations.CreateModel(
            name="Secret",
            fields=[
                (
                    "name",
                    models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="name"),
                ),
                ("ciphertext", models.TextField(editable=False, verbose_name="ciphertext")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("updated_at", models.DateTimeField(verbose_name="last changed")),
                ("updated_by", models.CharField(default="", max_length=255, verbose_name="changed by")),
            ],
            options={"verbose_name": "secret", "verbose_name_plural": "secrets", "ordering": ["name"]},
        ),
    ]
