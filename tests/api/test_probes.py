"""health, ready and metrics: who may ask, and what is said where something is away."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from upnext_django.conf import get
from upnext_django.operations.metrics import exposition

pytestmark = pytest.mark.django_db

Person = Callable[..., User]
TokenOf = Callable[..., str]
AWAY = "redis://127.0.0.1:1"


@pytest.fixture
def url(valkey_url: str, namespace: str) -> Iterator[str]:
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        yield valkey_url


@pytest.fixture
def monitor(client: Client, person: Person, token_of: TokenOf) -> Callable[[str], object]:
    """Give what asks with a token that may."""
    token = token_of(person("view_overview"), "read")
    return lambda path: client.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {token}"})


@override_settings(UPNEXT={"REDIS_URL": AWAY})
def test_the_process_is_healthy_whatever_is_away_and_says_so_to_anybody(client: Client):
    answer = client.get("/api/v1/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["ready", "metrics"])
def test_nobody_else_is_told_more(client: Client, person: Person, token_of: TokenOf, url: str, path: str):
    token = token_of(person(), "read")

    assert client.get(f"/api/v1/{path}").status_code == 401
    answer = client.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "upnext.view_overview" in answer.json()["detail"]


def test_it_is_not_ready_without_a_worker_and_a_mirror(monitor, url: str):
    answer = monitor("ready")

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"
    assert "workers: None is alive and takes work. Start one" in answer.json()["detail"]
    assert "mirror: No mirror is running" in answer.json()["detail"]
    assert "redis:" not in answer.json()["detail"]


@override_settings(UPNEXT={"REDIS_URL": AWAY})
def test_it_is_not_ready_without_redis(monitor):
    answer = monitor("ready")

    assert answer.status_code == 503
    assert "redis: Could not reach Redis at redis://127.0.0.1:1" in answer.json()["detail"]


@override_settings(UPNEXT={"REDIS_URL": AWAY, "API_OPEN": ["ready", "metrics"]})
def test_what_is_open_is_open_to_anybody(client: Client):
    ready, metrics = client.get("/api/v1/ready"), client.get("/api/v1/metrics")

    assert get().api_open == ("ready", "metrics")
    assert ready.status_code == 503
    assert ready.json()["detail"] == "Not ready. redis"
    assert metrics.status_code == 200
    assert b"upnext_redis_up 0.0\n" in metrics.content


@override_settings(UPNEXT={"REDIS_URL": AWAY, "API_OPEN": ["ready"]})
def test_what_is_not_open_stays_closed(client: Client):
    assert client.get("/api/v1/metrics").status_code == 401
    assert client.get("/api/v1/jobs").status_code == 401


@override_settings(UPNEXT={"REDIS_URL": AWAY, "API_OPEN": ["ready"], "API_RATES": {"address": "2/1000d"}})
def test_anybody_may_ask_only_so_often(client: Client):
    assert [client.get("/api/v1/ready").status_code for _ in range(3)] == [503, 503, 429]


def test_metrics_are_prometheus_text(monitor, url: str):
    answer = monitor("metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"] == exposition.CONTENT_TYPE
    assert b"# TYPE upnext_workers gauge\nupnext_workers 0.0\n" in answer.content


def test_metrics_without_the_extra_say_how_to_get_them(monitor, url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    answer = monitor("metrics")

    assert answer.status_code == 503
    assert "pip install 'upnext-django[metrics]'" in answer.json()["detail"]
