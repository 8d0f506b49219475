"""Which Redis the process talks to."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from tests.django.project import environment_for
from upnext_django.connection import get_broker, redis_url


def test_the_broker_of_the_settings_reaches_their_redis(valkey_url, namespace):
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        broker = get_broker()
        broker.ping_sync()

        assert broker.environment.namespace == namespace
        assert get_broker() is broker
        broker.close()


def test_each_url_has_one_broker():
    with override_settings(UPNEXT={"REDIS_URL": "redis://one"}):
        assert get_broker("redis://two").url == "redis://two"
        assert get_broker("redis://two") is get_broker("redis://two")
        assert get_broker("redis://two") is not get_broker()


def test_changed_settings_make_another_broker():
    with override_settings(UPNEXT={"REDIS_URL": "redis://one"}):
        first = get_broker()
        with override_settings(UPNEXT={"REDIS_URL": "redis://two"}):
            second = get_broker()

    assert (first.url, second.url) == ("redis://one", "redis://two")


@override_settings(UPNEXT={}, DEBUG=False)
def test_without_a_url_and_without_debug_the_error_says_what_to_set(monkeypatch):
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)

    with pytest.raises(
        ImproperlyConfigured, match=r"UPNEXT\['REDIS_URL'\] or the environment variable UPNEXT_REDIS_URL"
    ):
        get_broker()


@override_settings(UPNEXT={}, DEBUG=False)
def test_a_worker_s_own_url_needs_no_setting(monkeypatch):
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)

    assert get_broker("redis://own").url == "redis://own"


@override_settings(UPNEXT={"REDIS_URL": "redis://set"}, DEBUG=True)
def test_with_debug_a_url_that_is_set_holds():
    assert redis_url() == "redis://set"


def test_with_debug_and_no_url_a_server_of_the_project_starts(tmp_path: Path):
    program = textwrap.dedent(
        """
        from pathlib import Path
        from django.conf import settings
        settings.configure(DEBUG=True, BASE_DIR=Path.cwd())
        from upnext_django.connection import get_broker, redis_url
        get_broker().ping_sync()
        assert get_broker().url == redis_url()
        print(redis_url())
        """
    )
    env = environment_for(tmp_path / "none.sqlite3", UPNEXT_REDIS_URL="")
    del env["DJANGO_SETTINGS_MODULE"]

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("unix://")
    assert (tmp_path / ".upnext").is_dir()
