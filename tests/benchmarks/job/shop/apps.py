"""The Django app of the ORM workload."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """One table, no migrations: ``migrate --run-syncdb`` makes it."""

    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"
