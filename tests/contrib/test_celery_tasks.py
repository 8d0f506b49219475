"""The twenty tasks of celery_tasks give the same under Celery and, with other import lines, here."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from django.test import override_settings

from tests.leaks import delete_namespace, undeclared_keys
from tests.waiting import wait_until
from tests.workers import running_worker
from upnext_django.declare.registry import registry

# Celery tells of its plans for these options; they work, and users' modules have them.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:\s*The '(queue|priority)' task attribute is deprecated:celery.exceptions.CDeprecationWarning"
)

_SOURCE = Path(__file__).with_name("celery_tasks.py")
_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 60
_GIVEN = "5f0c1d8e-6f37-4a3b-9d55-0d2b8e3a7c11"

#: How each task is called, in Celery's words, and what its ``get()`` then returns or raises.
CALLS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "add": (lambda t: t.add.delay(2, 3), 5),
    "send_mail": (
        lambda t: t.send_mail.delay("ann", cc=("bob",)),
        {"to": "ann", "subject": "Hello", "cc": ["bob"]},
    ),
    "totals": (lambda t: t.totals.apply_async(([3, 1, 2],)), {"sum": 6, "mean": 2.0, "all": [1, 2, 3]}),
    "describe": (
        lambda t: t.describe.apply_async((1, "ä"), {"b": [True, None]}, task_id=_GIVEN),
        ["describe", 0, [1, "ä"], {"b": [True, None]}, _GIVEN],
    ),
    "import_feed": (lambda t: t.import_feed.delay("feed"), 2),
    "charge": (lambda t: t.charge.delay(7), "ConnectionError: no answer for 7"),
    "poll": (lambda t: t.poll.delay("job"), "MaxRetriesExceededError"),
    "poll_longer": (lambda t: t.poll_longer.delay(3), 3),
    "give_up": (lambda t: t.give_up.delay(), "gave up"),
    "fetch": (lambda t: t.fetch.delay("page"), "page after 2"),
    "fetch_politely": (lambda t: t.fetch_politely.apply_async(countdown=0.2), 1),
    "pay": (lambda t: t.pay.delay(-1), "PaymentRefused: -1 at attempt 0"),
    "look_up": (lambda t: t.look_up.delay("b"), "KeyError: 'b'"),
    "divide": (lambda t: t.divide.delay(1, 0), "ZeroDivisionError: division by zero"),
    "note": (lambda t: t.note.delay("text"), None),
    "tidy": (lambda t: t.tidy.delay(), "tidied"),
    "hang": (lambda t: t.hang.delay(), "TimeLimitExceeded"),
    "report": (lambda t: t.report.apply_async(["2026-03-02"]), "02.03.2026"),
    "resize": (lambda t: t.resize.apply_async(([[8, 6]],), expires=60, priority=3), [[4, 3]]),
    "fan_out": (lambda t: t.fan_out.delay(["a", "b"]), 2),
    # Not tasks, but made of them.
    "pipeline": (lambda t: t.pipeline(1), ["describe", 0, ["end"]]),
    "checkout": (lambda t: t.checkout([3, 1, 2]), {"sum": 6, "mean": 2.0, "all": [1, 2, 3]}),
    "squares": (lambda t: t.squares([1, 2, 3]), [2, 4, 6]),
    "broken_pipeline": (lambda t: t.broken_pipeline(), "ZeroDivisionError: division by zero"),
}


@pytest.fixture(scope="module")
def celery_outcomes(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give what the tasks did under a worker of Celery."""
    prefix = f"celery-{uuid.uuid4().hex}:"
    log = tmp_path_factory.mktemp("celery") / "worker.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPNEXT_TEST_CELERY_URL", valkey_url)
        patch.setenv("UPNEXT_TEST_CELERY_PREFIX", prefix)
        import_module("tests.contrib.celery_project")
        with _celery_worker(log):
            yield _outcomes(import_module("tests.contrib.celery_tasks"))
    with redis.Redis.from_url(valkey_url) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)


@pytest.fixture(scope="module")
def our_outcomes(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give what the same tasks did here, their import lines changed."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "moved_tasks.py").write_text(_moved(_SOURCE.read_text()))
    namespace = f"test-{uuid.uuid4().hex}"
    with (
        pytest.MonkeyPatch.context() as patch,
        registry.isolated(),
        override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}),
        running_worker(
            "tests.fundamentals.settings",
            "--no-mirror",
            redis_url=valkey_url,
            namespace=namespace,
            tasks="moved_tasks",
            log=folder / "worker.log",
            environment={
                "UPNEXT_EXAMPLE_DATABASE": str(folder / "none.sqlite3"),
                "PYTHONPATH": str(folder),
            },
        ),
    ):
        patch.syspath_prepend(folder)
        yield _outcomes(import_module("moved_tasks"))
    with redis.Redis.from_url(valkey_url) as client:
        leaked = undeclared_keys(client, namespace)
        delete_namespace(client, namespace)
    assert not leaked


@pytest.mark.parametrize("name", CALLS)
def test_a_task_under_celery(name: str, celery_outcomes: dict[str, Any]):
    assert celery_outcomes[name] == CALLS[name][1]


@pytest.mark.parametrize("name", CALLS)
def test_the_same_task_here(name: str, our_outcomes: dict[str, Any]):
    assert our_outcomes[name] == CALLS[name][1]


def test_only_import_lines_differ():
    source = _SOURCE.read_text()

    changed = [
        old for old, new in zip(source.splitlines(), _moved(source).splitlines(), strict=True) if old != new
    ]

    assert source.count("\n@shared_task") == 20
    assert all(line.startswith("from celery") for line in changed)
    assert len(changed) == source.count("from celery") == 3


def _moved(source: str) -> str:
    return source.replace("from celery", "from upnext_django.contrib.celery")


def _outcomes(tasks: ModuleType) -> dict[str, Any]:
    """Call every task and wait for all: the value, or the exception and, where it is the task's, its text."""
    results = {name: call(tasks) for name, (call, _) in CALLS.items()}
    return {name: _outcome(result) for name, result in results.items()}


def _outcome(result: Any) -> Any:
    try:
        value = result.get(timeout=_LONGEST_S)
    except Exception as error:  # noqa: BLE001 - the task's own
        name = type(error).__name__
        return name if name in ("MaxRetriesExceededError", "TimeLimitExceeded") else f"{name}: {error}"
    return value


class _celery_worker:  # noqa: N801 - a context manager
    """A worker of Celery with two processes; it must be ready before the block and ends with it."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def __enter__(self) -> None:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.contrib.celery_project", "worker",
                 "--pool", "prefork", "-c", "2", "-Q", "celery,reports", "--loglevel", "info",
                 "--without-mingle", "--without-gossip"],
                cwd=_ROOT, env=os.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        wait_until(self._is_ready, "the worker of Celery is ready", timeout=60)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        told = self._log.read_text(errors="replace")
        assert self._process.poll() is None, told
        return " ready." in told
