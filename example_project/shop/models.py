"""What the shop sells and what was ordered."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse

__all__ = ["Order", "OrderLine", "Product"]


class Product(models.Model):
    """Something to buy. ``sold`` is a count kept by the task ``recount_sales``."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal(0))])
    sold = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the product's page."""
        return reverse("shop:product", args=[self.slug])


class Order(models.Model):
    """One purchase. ``reference`` is what the customer sees: it cannot be guessed, a number can.

    ``receipt_job`` is the id of the job that writes ``receipt``, empty until one was submitted;
    ``receipt_at`` is None until the receipt is there.
    """

    reference = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField()
    placed_at = models.DateTimeField(auto_now_add=True)
    receipt_job = models.CharField(max_length=36, blank=True, editable=False)
    receipt = models.TextField(blank=True, editable=False)
    receipt_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-placed_at", "-pk"]

    def __str__(self) -> str:
        return f"Order {self.reference}"

    def get_absolute_url(self) -> str:
        """Return the order's page."""
        return reverse("shop:order", args=[self.reference])

    @property
    def total(self) -> Decimal:
        """What the whole order costs. Reads the lines."""
        return sum((line.total for line in self.lines.all()), Decimal(0))


class OrderLine(models.Model):
    """So many of one product, at the price of the day it was ordered."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="lines")
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["order", "product"], name="one_line_per_product")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"

    @property
    def total(self) -> Decimal:
        """What the line costs."""
        return self.quantity * self.price
