"""settings.UPNEXT: typed, refused with a way out, read again when it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from upnext_django import conf
from upnext_django.core.rates import Rate


def test_without_settings_the_documented_defaults_hold():
    with override_settings(UPNEXT={}):
        settings = conf.get()

    assert (settings.namespace, settings.database, settings.default_queue) == ("upnext", "default", "default")
    assert (settings.max_crashes, settings.lease_s, settings.history, settings.outbox) == (
        3,
        15.0,
        True,
        False,
    )
    assert (settings.retention.complete_s, settings.retention.failed_s) == (14 * 86400, 90 * 86400)


def test_a_rate_of_the_api_that_is_left_out_keeps_its_default():
    with override_settings(UPNEXT={"API_RATES": {"address": None, "token": "5/s"}}):
        assert conf.get().api_rates == {"address": None, "token": Rate(5, 1000)}
    with override_settings(UPNEXT={"API_RATES": {}}):
        assert conf.get().api_rates == {"address": Rate(1200, 60_000), "token": Rate(600, 60_000)}


def test_an_unknown_key_is_refused_with_the_key_it_resembles():
    with (
        override_settings(UPNEXT={"REDIS_ULR": "redis://localhost"}),
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        conf.get()

    assert str(caught.value) == "UPNEXT['REDIS_ULR'] is unknown; did you mean 'REDIS_URL'?"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NAMESPACE", "a b"),
        ("NAMESPACE", "x" * 65),
        ("DEFAULT_QUEUE", ""),
        ("QUEUES", "mail"),
        ("QUEUES", ["mail", 7]),
        ("DATABASE", None),
        ("TASK_DEFAULTS", {1: 2}),
        ("META", "module.function"),
        ("HISTORY", 1),
        ("OUTBOX", "yes"),
        ("MAX_PAYLOAD_BYTES", 0),
        ("MAX_CRASHES", -1),
        ("MAX_CRASHES", True),
        ("MAX_EVENTS", 1.5),
        ("LEASE_S", 0),
        ("LEASE_S", float("nan")),
        ("LEASE_S", float("inf")),
        ("LOG_LEVEL", "LOUD"),
        ("RETENTION", {"queued": 3}),
        ("RETENTION", {"complete": "14 days"}),
        ("RETENTION", {"statistics": timedelta(days=7)}),
        ("API_OPEN", ["health"]),
        ("API_OPEN", "ready"),
        ("API_RATES", {"user": "5/minute"}),
        ("API_RATES", {"token": "5 a minute"}),
        ("API_RATES", {"token": ""}),
        ("SECRETS_KEYS", "one key"),
        ("SIGNING_KEYS", [""]),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "redis://localhost:99999"),
        ("REDIS_URL", "unix://"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_key(key: str, value: Any):
    with (
        override_settings(UPNEXT={key: value}),
        pytest.raises(ImproperlyConfigured, match=rf"UPNEXT\['{key}'\]"),
    ):
        conf.get()


@pytest.mark.parametrize("url", ["redis://h", "rediss://:pw@h:6380/2", "unix:///run/valkey.sock?db=1"])
def test_every_kind_of_redis_url_is_taken(url: str):
    with override_settings(UPNEXT={"REDIS_URL": url}):
        assert conf.get().redis_url == url


def test_an_error_does_not_repeat_a_password():
    with (
        override_settings(UPNEXT={"REDIS_URL": "http://:hunter2@host"}),
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        conf.get()

    assert "hunter2" not in str(caught.value)


def test_keys_do_not_show_in_the_repr():
    key = "hunter2_".ljust(43, "A") + "="
    with override_settings(UPNEXT={"SECRETS_KEYS": [key], "SIGNING_KEYS": ("hunter3",)}):
        assert conf.get().secrets_keys == (key,)
        assert "hunter" not in repr(conf.get())


@pytest.mark.parametrize("key", ["hunter2", "hunter2_" * 8, "hünter2_".ljust(43, "A") + "=", b"hunter2", 7])
def test_what_is_no_fernet_key_is_refused_without_showing_it(key: Any):
    good = "A" * 43 + "="
    with (
        override_settings(UPNEXT={"SECRETS_KEYS": [good, key]}),
        pytest.raises(ImproperlyConfigured, match=r"Fernet keys.*generate_key") as caught,
    ):
        conf.get()

    assert "nter2" not in str(caught.value)
    assert good not in str(caught.value)


def test_settings_that_are_no_dict_are_refused():
    with (
        override_settings(UPNEXT=["REDIS_URL"]),
        pytest.raises(ImproperlyConfigured, match="UPNEXT is a list"),
    ):
        conf.get()


def test_the_url_comes_from_the_environment_where_the_settings_have_none(monkeypatch):
    monkeypatch.setenv("UPNEXT_REDIS_URL", "redis://from-environment")

    with override_settings(UPNEXT={}):
        assert conf.get().redis_url == "redis://from-environment"
    with override_settings(UPNEXT={"REDIS_URL": "redis://from-settings"}):
        assert conf.get().redis_url == "redis://from-settings"


def test_a_bad_url_in_the_environment_is_blamed_on_the_environment(monkeypatch):
    monkeypatch.setenv("UPNEXT_REDIS_URL", "localhost:6379")

    with override_settings(UPNEXT={}), pytest.raises(ImproperlyConfigured, match="variable UPNEXT_REDIS_URL"):
        conf.get()


def test_settings_are_read_again_when_they_change_and_only_then():
    with override_settings(UPNEXT={"MAX_CRASHES": 1}):
        first = conf.get()
        again = conf.get()
        with override_settings(UPNEXT={"MAX_CRASHES": 2}):
            changed = conf.get()
        back = conf.get()

    assert first is again
    assert (first.max_crashes, changed.max_crashes, back.max_crashes) == (1, 2, 1)


def test_retention_takes_timedeltas_and_dead_letters_follow_the_failed():
    with override_settings(UPNEXT={"RETENTION": {"complete": timedelta(days=2), "failed": 3600}}):
        settings = conf.get()

    assert (settings.retention.complete_s, settings.retention.failed_s) == (2 * 86400, 3600)
    assert settings.retention.cancelled_s == 14 * 86400
    assert settings.dead_ttl_s == 3600


def test_retention_of_statistics_has_a_default_and_may_be_longer():
    with override_settings(UPNEXT={"RETENTION": {"statistics": timedelta(days=400)}}):
        longer = conf.get().retention.statistics_s
    with override_settings(UPNEXT={"RETENTION": {"complete": 3600}}):
        default = conf.get().retention.statistics_s

    assert (longer, default) == (400 * 86400, 30 * 86400)


def test_every_mistake_is_listed_at_once():
    with override_settings(UPNEXT={"REDIS_URL": "x", "NAMESPACE": "", "HISTROY": False}):
        found = conf.problems()

    assert [(problem.kind, problem.key) for problem in found] == [
        ("url", "REDIS_URL"),
        ("value", "NAMESPACE"),
        ("unknown", "HISTROY"),
    ]
