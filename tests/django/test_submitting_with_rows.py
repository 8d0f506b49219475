"""A job belongs to the transaction it was submitted in, seen from a worker in another process."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, transaction
from django.test import AsyncClient, Client, TestCase

import upnext_django as upnext
from example_project.shop.models import Order, OrderLine, Product
from example_project.shop.tasks import recount_sales, send_receipt
from tests.django.tasks import greet
from tests.waiting import wait_until
from upnext_django import JobNotFound, WaitInTransaction

pytestmark = pytest.mark.usefixtures("worker")


class Oops(Exception):
    pass


def a_product() -> Product:
    """Return the tea; tests that flush have taken the products of the migration along."""
    product, _ = Product.objects.get_or_create(slug="tea", defaults={"name": "Tea", "price": Decimal("4.20")})
    return product


def new_order() -> Order:
    order = Order.objects.create(email="ada@example.com")
    product = a_product()
    OrderLine.objects.create(order=order, product=product, quantity=2, price=product.price)
    return order


@pytest.mark.usefixtures("rows")
class TestCommitted:
    def test_after_the_commit_the_job_finds_the_row(self):
        with transaction.atomic():
            order = new_order()
            future = send_receipt.submit(order.pk)
            assert future.job_id

        assert future.value_sync(timeout=10) == {"order": order.pk, "total": str(order.total)}
        order.refresh_from_db()
        assert order.receipt.endswith(f"Total: {order.total}")

    def test_after_a_rollback_there_is_no_job(self):
        with suppress(Oops), transaction.atomic():
            future = send_receipt.submit(new_order().pk)
            raise Oops

        with pytest.raises(JobNotFound):
            upnext.get_job(future.job_id)

    def test_a_job_of_a_rolled_back_savepoint_is_not_sent_and_its_neighbour_is(self):
        with transaction.atomic():
            kept = greet.submit("Ada")
            with suppress(Oops), transaction.atomic():
                lost = greet.submit("Bob")
                raise Oops

        assert kept.value_sync(timeout=10) == "Hello, Ada!"
        with pytest.raises(JobNotFound):
            upnext.get_job(lost.job_id)

    def test_on_commit_false_is_sent_now(self):
        with transaction.atomic():
            future = greet.options(on_commit=False).submit("Ada")
            assert future.value_sync(timeout=10) == "Hello, Ada!"

    def test_waiting_inside_the_transaction_for_a_job_that_its_commit_sends_is_refused(self):
        with transaction.atomic():
            future = greet.submit("Ada")
            with pytest.raises(WaitInTransaction):
                future.result_sync()
            with pytest.raises(WaitInTransaction):
                greet.wait_sync("Ada")

        assert future.value_sync(timeout=10) == "Hello, Ada!"

    def test_many_at_once_leave_with_the_commit(self):
        with transaction.atomic():
            futures = upnext.submit_many(greet, [{"name": str(n)} for n in range(30)])
            with pytest.raises(JobNotFound):
                upnext.get_job(futures[0].job_id)

        assert upnext.gather_sync(futures)[29] == "Hello, 29!"

    def test_a_view_with_its_own_transaction(self):
        product = a_product()

        answer = Client().post("/", {"email": "ada@example.com", f"quantity_{product.pk}": "2"})

        order = Order.objects.get(reference=answer.headers["Location"].rstrip("/").rpartition("/")[2])
        assert order_is_received(order)

    def test_a_view_with_atomic_requests(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        product = a_product()

        answer = Client().post("/", {"email": "ada@example.com", f"quantity_{product.pk}": "2"})

        order = Order.objects.get(reference=answer.headers["Location"].rstrip("/").rpartition("/")[2])
        assert order_is_received(order)

    async def test_an_async_view(self):
        product = await sync_to_async(a_product)()

        answer = await AsyncClient().post(f"/products/{product.slug}/recount/")

        job_id = answer.headers["Location"].partition("recount=")[2]
        while (job := await upnext.aget_job(job_id)).status != "complete":
            assert job.status in ("queued", "active")
        await product.arefresh_from_db()
        assert product.sold == job.result

    async def test_an_async_task_that_uses_the_orm(self):
        product = await sync_to_async(a_product)()

        assert (await recount_sales.wait(product.pk)).value >= 0


def order_is_received(order: Order) -> bool:
    def receipt() -> bool:
        order.refresh_from_db()
        return order.receipt_at is not None

    return wait_until(receipt, "the receipt is written")


class InATestCase(TestCase):
    def test_without_an_atomic_block_of_its_own_a_submit_is_sent_at_once(self):
        assert greet.submit("Ada").value_sync(timeout=10) == "Hello, Ada!"

    def test_inside_its_own_it_waits_for_the_callbacks(self):
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            future = greet.submit("Ada")

        assert future.value_sync(timeout=10) == "Hello, Ada!"

    def test_without_the_callbacks_nothing_is_sent(self):
        with self.captureOnCommitCallbacks() as callbacks, transaction.atomic():
            future = greet.submit(str(uuid.uuid4()))

        assert len(callbacks) == 1
        with pytest.raises(JobNotFound):
            upnext.get_job(future.job_id)

    def test_in_async_code(self):
        async def submit() -> Any:
            return await greet.submit("Ada").value(timeout=10)

        assert async_to_sync(submit)() == asyncio.run(submit()) == "Hello, Ada!"
