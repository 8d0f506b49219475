"""With ATOMIC_REQUESTS a view's jobs leave when its response is made, and not at all if it raises."""

from __future__ import annotations

from typing import cast

import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from tests.django.recording import RecordingBroker, job
from upnext_django.declare.ports import Broker
from upnext_django.transactions import TransactionSender

broker = RecordingBroker()


def order(request: HttpRequest) -> HttpResponse:
    """Submit two jobs and say what has been sent by then; raise if asked to."""
    for name in ("receipt", "parcel"):
        TransactionSender().send(cast(Broker, broker), [job(name)], using=None, on_commit=True)
    if "fail" in request.GET:
        raise ValueError("no stock")
    return HttpResponse(",".join(broker.sent))


urlpatterns = [path("order", order)]


@pytest.fixture
def client(monkeypatch, transactional_db) -> Client:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    broker.writes.clear()
    return Client(raise_request_exception=False)


@override_settings(ROOT_URLCONF=__name__)
def test_the_jobs_of_a_request_leave_in_one_write_after_the_view(client):
    response = client.get("/order")

    assert response.content == b""
    assert broker.writes == [["receipt", "parcel"]]


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_that_raises_sends_nothing(client):
    response = client.get("/order", {"fail": "1"})

    assert response.status_code == 500
    assert broker.writes == []
