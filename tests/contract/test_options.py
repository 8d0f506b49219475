"""Options and settings have the names and defaults that the reference says."""

from __future__ import annotations

import inspect
from ast import literal_eval
from dataclasses import fields
from typing import Any

import pytest
from django.test import override_settings

import upnext_django as upnext
from tests.contract.pages import REFERENCE, table
from upnext_django import conf
from upnext_django.core.options import DEFAULTS
from upnext_django.core.rates import Rate, parse_rate
from upnext_django.declare.options import TaskOptions

CONTRACT: dict[str, Any] = {
    "retries": 0,
    "retry_delay": 1.0,
    "retry_backoff": 2.0,
    "retry_jitter": 0.1,
    "retry_max_delay": 3600,
    "retry_on": None,
    "no_retry_on": (),
    "timeout": 1800,
    "name": None,
    "aliases": (),
    "rate_limit": None,
    "max_concurrency": None,
    "rate_limit_key": None,
    "concurrency_key": None,
    "cache_key": None,
    "cache_ttl": None,
    "on_start": None,
    "on_success": None,
    "on_failure": None,
    "on_retry": None,
    "on_complete": None,
    "save_result": True,
    "result_ttl": 3600,
    "priority": 0,
    "expires": None,
    "sensitive": (),
    "api": False,
}

SETTINGS: dict[str, Any] = {
    "REDIS_URL": None,
    "NAMESPACE": "upnext",
    "DATABASE": "default",
    "DEFAULT_QUEUE": "default",
    "QUEUES": (),
    "TASK_DEFAULTS": {},
    "META": None,
    "HISTORY": True,
    "OUTBOX": False,
    "OUTBOX_DATABASES": None,
    "MAX_PAYLOAD_BYTES": 1024 * 1024,
    "MAX_RESULT_BYTES": 1024 * 1024,
    # Ours: the contract has artifacts and names no limit for them.
    "MAX_ARTIFACT_BYTES": 10 * 1024 * 1024,
    "MAX_CRASHES": 3,
    "MAX_EVENTS": 1_000_000,
    "MAX_WAITING_THREADS": 256,
    "MAX_WAITING_PROCESSES": 16,
    "MAX_STUCK_THREADS": 8,
    "LEASE_S": 15,
    "LOG_LEVEL": "INFO",
    "SECRETS_KEYS": (),
    "SIGNING_KEYS": (),
    # Ours: the contract's admin has no word for tenants.
    "ADMIN_QUERYSET": None,
    # Ours: deny by default, and probes that cannot log in.
    "API_OPEN": (),
    # Ours: the contract throttles, and says no numbers.
    "API_RATES": {"token": Rate(600, 60_000), "address": Rate(1_200, 60_000)},
}


def test_the_defaults_of_task_options():
    assert dict(DEFAULTS) == CONTRACT


def test_the_reference_has_them_all_with_their_defaults():
    documented = table(REFERENCE / "task-options.md", "option | default")

    assert {name: literal_eval(text) for name, text in documented.items()} == CONTRACT


def test_the_reference_has_every_option_of_a_call():
    documented = table(REFERENCE / "task-options.md", "option | meaning")

    names = {name.strip("` ") for cell in documented for name in cell.split(",")}
    assert names == TaskOptions.__optional_keys__


def test_the_options_of_a_worker():
    given = {
        name: parameter.default
        for name, parameter in inspect.signature(upnext.Worker).parameters.items()
        if name != "self"
    }

    assert given == {
        "name": None,
        "concurrency": 2,
        "prefetch": None,
        "sync_executor": upnext.SyncExecutor.THREAD,
        "sync_pool_size": None,
        "redis_url": None,
        "secrets": (),
        "queue": None,
    }


def test_the_options_of_a_cron():
    for cron in (upnext.cron, upnext.Worker("crons").cron):
        given = {
            name: parameter.default
            for name, parameter in inspect.signature(cron).parameters.items()
            if name not in ("expression", "options")
        }

        assert given == {
            "timezone": None,
            "missed_run_policy": upnext.MissedRunPolicy.LATEST_ONLY,
            "max_catch_up_seconds": None,
        }


def test_the_defaults_of_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(conf.ENVIRONMENT_URL, raising=False)
    with override_settings(UPNEXT={}):
        settings = conf.get()

    assert {name: getattr(settings, name.lower()) for name in SETTINGS} == SETTINGS
    known = {field.name.upper() for field in fields(settings)}
    assert known - set(SETTINGS) == {"RETENTION", "DEAD_TTL_S"}


def test_the_reference_has_settings_with_their_defaults():
    documented = table(REFERENCE / "settings.md", "key | default")

    defaults = {name: literal_eval(text) for name, text in documented.items()}
    defaults["API_RATES"] = {name: parse_rate(rate) for name, rate in defaults["API_RATES"].items()}
    assert defaults == SETTINGS


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("retries", -1),
        ("retries", 1.5),
        ("retry_delay", -1),
        ("retry_backoff", 0),
        ("retry_jitter", -0.1),
        ("retry_max_delay", 0),
        ("retry_on", ["ValueError"]),
        ("timeout", 0),
        ("timeout", "30"),
        ("timeout", float("nan")),
        ("priority", 101),
        ("expires", 0),
        ("result_ttl", 0),
        ("on_start", "not callable"),
        ("aliases", "one.name"),
        ("sensitive", ["no_such_argument"]),
        ("save_result", "yes"),
        ("retrys", 3),
    ],
)
def test_an_option_that_makes_no_sense_raises_at_decoration(option: str, value: Any):
    with pytest.raises(upnext.DefinitionError, match=option):

        @upnext.task(**{option: value})
        def function(x: int) -> None: ...
