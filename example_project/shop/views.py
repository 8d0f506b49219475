"""Pages of the shop. Two of them submit jobs: one from sync code, one from async code."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from example_project.shop.forms import OrderForm
from example_project.shop.models import Order, Product
from example_project.shop.tasks import recount_sales, send_receipt

__all__ = ["place_order", "show_order", "show_product", "start_recount"]


@require_http_methods(["GET", "POST"])
def place_order(request: HttpRequest) -> HttpResponse:
    """Show the products and take an order.

    The receipt's job belongs to the order's transaction: it is sent when the order is committed,
    and never if the order is rolled back.
    """
    form = OrderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            order = form.save()
            order.receipt_job = send_receipt.submit(order.pk).job_id
            order.save(update_fields=["receipt_job"])
        return redirect(order)
    status = 422 if form.errors else 200
    return render(request, "shop/place_order.html", {"form": form}, status=status)


@require_GET
def show_order(request: HttpRequest, reference: str) -> HttpResponse:
    """Show an order, with its receipt as soon as the worker has written it."""
    order = get_object_or_404(Order.objects.prefetch_related("lines__product"), reference=reference)
    return render(request, "shop/order.html", {"order": order})


@require_GET
def show_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a product and how many were sold at the last count."""
    product = get_object_or_404(Product, slug=slug)
    return render(request, "shop/product.html", {"product": product, "recount": request.GET.get("recount")})


@require_POST
async def start_recount(request: HttpRequest, slug: str) -> HttpResponse:
    """Count a product's sales anew, in the background; an async view that submits."""
    product = await aget_object_or_404(Product, slug=slug)
    future = await recount_sales.submit(product.pk)
    return HttpResponseRedirect(f"{product.get_absolute_url()}?{urlencode({'recount': future.job_id})}")
