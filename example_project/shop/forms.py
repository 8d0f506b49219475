"""The order form: an address, and how many of each product."""

from __future__ import annotations

from typing import Any

from django import forms

from example_project.shop.models import Order, OrderLine, Product

__all__ = ["OrderForm"]


class OrderForm(forms.Form):
    """One quantity field a product, named ``quantity_<pk>``; left empty means none of it."""

    email = forms.EmailField(label="Your e-mail address", help_text="The receipt goes here.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.products = list(Product.objects.all())
        for product in self.products:
            self.fields[f"quantity_{product.pk}"] = forms.IntegerField(
                label=f"{product.name} ({product.price} each)", min_value=0, max_value=99, required=False
            )

    def clean(self) -> dict[str, Any]:
        """Refuse an order of nothing."""
        cleaned: dict[str, Any] = super().clean() or {}
        quantities = [value for name, value in cleaned.items() if name.startswith("quantity_")]
        if not self.errors and not any(quantities):
            raise forms.ValidationError("The order is empty; choose at least one product.")
        return cleaned

    def save(self) -> Order:
        """Store the order with its lines. Call it inside a transaction."""
        order = Order.objects.create(email=self.cleaned_data["email"])
        OrderLine.objects.bulk_create(
            OrderLine(order=order, product=product, quantity=quantity, price=product.price)
            for product in self.products
            if (quantity := self.cleaned_data[f"quantity_{product.pk}"])
        )
        return order
