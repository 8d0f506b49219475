"""What the commands show and refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.test import override_settings

import upnext_django as upnext
from tests.django.tasks import charge, greet
from tests.workers import RunningWorker
from upnext_django.checks import TAG

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def test_the_start_screen(worker: RunningWorker, valkey_url: str):
    screen = worker.printed()

    assert "upnext_django 0." in screen
    assert valkey_url in screen
    # Of many tasks the first by name are shown, and how many more there are: it is one screen.
    for name in ("django-tests", "shop", "example_project.shop.tasks.flow", "tests.django.tasks.", " more\n"):
        assert name in screen


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "shopp"], r"--only shopp.*shop"),
        (["--queues", "nowhere"], r"--queues nowhere.*shop"),
        (["--concurrency", "0"], r"concurrency"),
        (["--concurrency", "many"], r"concurrency"),
        (["--shutdown-timeout", "-1"], r"shutdown-timeout"),
        (["--nonsense"], r"nonsense"),
    ],
    ids=" ".join,
)
def test_a_wrong_use_says_what_would_be_right(options: list[str], said: str):
    with pytest.raises(CommandError, match=said):
        call_command("upnext_worker", *options)


def test_without_a_redis_and_without_debug_a_worker_does_not_start():
    with (
        override_settings(UPNEXT={}, DEBUG=False),
        pytest.raises(CommandError, match="UPNEXT_REDIS_URL"),
    ):
        call_command("upnext_worker")


def test_an_unreachable_redis_is_named_with_its_password_masked():
    url = "redis://:secret-word@127.0.0.1:1/0"
    with (
        override_settings(UPNEXT={"REDIS_URL": url}),
        pytest.raises(upnext.RedisUnavailable, match=r"127\.0\.0\.1:1.*othing was queued") as caught,
    ):
        greet.submit("Ada")

    assert "secret-word" not in f"{caught.value}{caught.value.url}"


@pytest.mark.usefixtures("project")
def test_sensitive_arguments_are_not_sent_where_nothing_can_encrypt_them():
    with pytest.raises(upnext.UpNextError, match="card"):
        charge.submit(7, card="4242-4242")


@pytest.mark.parametrize(
    ("setting", "ids"),
    [
        ({}, ["upnext.W003"]),
        ({"REDIS_ULR": "redis://localhost"}, ["upnext.E002"]),
        ({"REDIS_URL": "http://localhost"}, ["upnext.E003"]),
        ({"REDIS_URL": "redis://localhost", "DATABASE": "history"}, ["upnext.E007"]),
        ({"REDIS_URL": "redis://localhost", "MAX_CRASHES": -1}, ["upnext.E008"]),
        ({"REDIS_URL": "redis://localhost"}, []),
        ("redis://localhost", ["upnext.E001"]),
    ],
    ids=str,
)
def test_checks_of_the_settings(setting: object, ids: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)
    with override_settings(UPNEXT=setting, DEBUG=False):
        # Without a tag Django 6.1 also asks the databases what the models may use.
        found = [message.id for message in checks.run_checks(tags=[TAG])]

    # Tests declare tasks in functions, one name twice, and what needs keys.
    about_tests = {"upnext.W006", "upnext.E004", "upnext.W012", "upnext.W013"}
    assert [name for name in found if name not in about_tests] == ids


def test_with_debug_and_without_a_url_the_embedded_server_starts(tmp_path: Path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("UPNEXT_REDIS_URL", "DJANGO_SETTINGS_MODULE")
    }
    (tmp_path / "manage.py").write_text(MANAGE.read_text())
    (tmp_path / "own_settings.py").write_text(
        "from pathlib import Path\n"
        "SECRET_KEY = 'x'\nDEBUG = True\nBASE_DIR = Path(__file__).resolve().parent\n"
        "INSTALLED_APPS = ['upnext_django', 'own']\nUSE_TZ = True\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3',\n"
        "  'OPTIONS': {'transaction_mode': 'IMMEDIATE', 'init_command': 'PRAGMA journal_mode=WAL;'}}}\n"
    )
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    (tmp_path / "own" / "tasks.py").write_text(
        "import upnext_django as upnext\n\n\n@upnext.task\ndef double(x: int) -> int:\n    return 2 * x\n"
    )
    environment |= {"DJANGO_SETTINGS_MODULE": "own_settings", "PYTHONPATH": str(MANAGE.parent)}

    def manage(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    manage("migrate", "-v0")
    submitted = manage(
        "shell", "-c", "from own.tasks import double; print('job', double.submit(21).job_id)"
    ).split()[-1]
    screen = manage("upnext_worker", "--burst")
    shown = manage("shell", "-c", f"import upnext_django; print(upnext_django.get_job('{submitted}').result)")

    assert "unix://" in screen
    assert shown.split()[-1] == "42"
    assert (tmp_path / ".upnext").is_dir()
