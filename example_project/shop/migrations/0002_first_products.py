"""Put three products on the shelf, so that the first visit finds something to order."""

from __future__ import annotations

from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PRODUCTS = {
    "teapot": ("Teapot", Decimal("24.50")),
    "tea-cup": ("Tea cup", Decimal("6.00")),
    "green-tea": ("Green tea, 100 g", Decimal("8.75")),
}


def add_products(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the products that are not there yet."""
    products = apps.get_model("shop", "Product")._default_manager.using(schema_editor.connection.alias)
    for slug, (name, price) in PRODUCTS.items():
        products.get_or_create(slug=slug, defaults={"name": name, "price": price})


def remove_products(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take away those that nobody ordered; an order keeps its product."""
    products = apps.get_model("shop", "Product")._default_manager.using(schema_editor.connection.alias)
    products.filter(slug__in=PRODUCTS, lines__isnull=True).delete()


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]

    operations = [migrations.RunPython(add_products, remove_products)]
