"""The shop's pages and tasks; which job a page submits is read back from Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import transaction
from django.test import AsyncClient, Client, override_settings

import upnext_django as upnext
from example_project.shop.models import Order, OrderLine, Product
from example_project.shop.tasks import recount_sales, send_receipt


@pytest.fixture(autouse=True)
def own_redis(valkey_url: str, namespace: str) -> Iterator[None]:
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        yield


@pytest.fixture
def kettle(db: None) -> Product:
    return Product.objects.create(name="Kettle", slug="kettle", price=Decimal("30.00"))


@pytest.fixture
def order(kettle: Product) -> Order:
    order = Order.objects.create(email="ada@example.com")
    OrderLine.objects.create(order=order, product=kettle, quantity=2, price=kettle.price)
    return order


def order_data(product: Product, quantity: int) -> dict[str, Any]:
    return {"email": "ada@example.com", f"quantity_{product.pk}": quantity}


@pytest.mark.django_db(transaction=True)
def test_an_order_is_stored_and_its_receipt_queued(client: Client, kettle: Product):
    response = client.post("/", order_data(kettle, 3))

    order = Order.objects.get()
    assert response.headers["Location"] == order.get_absolute_url()
    assert order.total == Decimal("90.00")
    job = upnext.get_job(order.receipt_job)
    assert (job.function, job.status) == (send_receipt.name, "queued")


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_rolled_back_queues_no_receipt(client: Client, kettle: Product):
    with transaction.atomic():
        client.post("/", order_data(kettle, 3))
        job_id = Order.objects.get().receipt_job
        transaction.set_rollback(True)

    assert not Order.objects.exists()
    with pytest.raises(upnext.JobNotFound):
        upnext.get_job(job_id)


def test_an_empty_order_is_refused_with_the_reason(client: Client, kettle: Product):
    response = client.post("/", order_data(kettle, 0))

    assert response.status_code == 422
    assert "choose at least one product" in response.content.decode()
    assert not Order.objects.exists()


def test_an_order_shows_its_receipt_once_it_is_written(client: Client, order: Order):
    before = client.get(order.get_absolute_url()).content.decode()
    send_receipt(order.pk)
    after = client.get(order.get_absolute_url()).content.decode()

    assert "being written" in before
    assert "2 x Kettle: 60.00" in after


def test_an_order_that_is_not_there_is_not_found(client: Client, db: None):
    assert client.get(f"/orders/{uuid.uuid4()}/").status_code == 404


def test_a_receipt_is_written_once_however_often_the_job_runs(order: Order):
    send_receipt(order.pk)
    order.refresh_from_db()
    first = order.receipt_at
    send_receipt(order.pk)
    order.refresh_from_db()

    assert first is not None
    assert order.receipt_at == first


@pytest.mark.django_db(transaction=True)
async def test_the_async_view_queues_a_recount(async_client: AsyncClient):
    kettle = await Product.objects.acreate(name="Kettle", slug="kettle", price=Decimal("30.00"))

    response = await async_client.post("/products/kettle/recount/")

    job_id = parse_qs(urlsplit(response.headers["Location"]).query)["recount"][0]
    job = await upnext.aget_job(job_id)
    assert (job.function, job.args) == (recount_sales.name, (kettle.pk,))


@pytest.mark.django_db(transaction=True)
async def test_a_recount_stores_the_sum_of_all_lines():
    kettle = await Product.objects.acreate(name="Kettle", slug="kettle", price=Decimal("30.00"))
    for quantity in (2, 5):
        order = await Order.objects.acreate(email="ada@example.com")
        await OrderLine.objects.acreate(order=order, product=kettle, quantity=quantity, price=kettle.price)

    await recount_sales(kettle.pk)

    await kettle.arefresh_from_db()
    assert kettle.sold == 7
