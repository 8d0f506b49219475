"""The shop in the admin. The jobs themselves are under UpNext."""

from __future__ import annotations

from django.contrib import admin

from example_project.shop.models import Order, OrderLine, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Products with their count of sales."""

    list_display = ["name", "price", "sold"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["sold"]
    search_fields = ["name"]


class OrderLineInline(admin.TabularInline):  # type: ignore[type-arg]
    """The lines of one order."""

    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Orders with their receipt and the job that wrote it."""

    list_display = ["reference", "email", "placed_at", "receipt_at"]
    list_filter = ["placed_at"]
    search_fields = ["reference", "email", "receipt_job"]
    readonly_fields = ["reference", "placed_at", "receipt_job", "receipt", "receipt_at"]
    inlines = [OrderLineInline]
