"""Secrets are set once, shown never, and in the environment before any task runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import upnext_django as upnext
from tests.fundamentals.secrets import end_of_key, end_of_key_elsewhere, tell
from tests.keys import KEY
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.models import Secret

VALUE = "sk_live_0123456789abcdef"


@pytest.fixture
def own_rows(rows: None) -> Iterator[None]:
    yield
    Secret.objects.all().delete()


@pytest.fixture
def secret(own_rows: None, monkeypatch: pytest.MonkeyPatch, project: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{VALUE}\n"))
    call_command("upnext_secrets", "set", "fundamental_key")


@pytest.fixture
def worker(secret: None, project: str, valkey_url: str, tmp_path: Path) -> Iterator[RunningWorker]:
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        redis_url=valkey_url,
        namespace=project,
        tasks="tests.fundamentals.secrets",
        log=tmp_path / "worker.log",
        environment={"UPNEXT_EXAMPLE_DATABASE": database_url(), "UPNEXT_EXAMPLE_SECRETS_KEYS": KEY},
    ) as running:
        yield running


def test_tasks_find_the_secret_in_their_environment(worker: RunningWorker):
    assert end_of_key.wait_sync().value == "cdef"
    assert end_of_key_elsewhere.wait_sync().value == "cdef"

    with pytest.raises(upnext.TaskExecutionError, match=r"the bank does not know \[hidden\]$"):
        tell.wait_sync()
    assert "fundamental_key" in worker.printed()
    assert VALUE not in worker.printed()


@pytest.mark.usefixtures("secret")
def test_a_list_shows_names_and_never_values(capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()

    call_command("upnext_secrets", "list")

    shown = capsys.readouterr().out
    assert shown.startswith("fundamental_key  FUNDAMENTAL_KEY  changed ")
    assert VALUE not in shown


@pytest.mark.usefixtures("own_rows", "project")
def test_a_missing_secret_stops_the_start_by_its_name():
    with pytest.raises(
        CommandError, match=r"'vault' wants the secret 'fundamental_key'.*upnext_secrets set fundamental_key"
    ):
        call_command("upnext_worker", "--only", "vault")
