"""The one table that the ORM workload writes and reads."""

from django.db import models


class Order(models.Model):
    """A row per job."""

    reference = models.IntegerField()
    state = models.CharField(max_length=20, default="new")
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Name the order by its reference."""
        return f"Order {self.reference}"


def place(reference: int) -> int:
    """Insert one order and read it back: the whole of an ORM job. Returns its reference."""
    order = Order.objects.create(reference=reference)
    return Order.objects.get(pk=order.pk).reference
