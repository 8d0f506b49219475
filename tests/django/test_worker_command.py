"""The worker, the mirror and the relay as processes: what they print, what they refuse, how they end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.django.project import environment_for, manage, start
from tests.waiting import wait_until
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker

pytestmark = pytest.mark.usefixtures("shop_alone")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables, of this module's processes alone."""
    path = tmp_path_factory.mktemp("database") / "db.sqlite3"
    done = manage("migrate", "-v0", env=environment_for(path))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def env(database: Path, valkey_url: str, namespace: str) -> dict[str, str]:
    return environment_for(database, UPNEXT_REDIS_URL=valkey_url, UPNEXT_EXAMPLE_NAMESPACE=namespace)


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started; none of them outlives it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what the process prints up to the line with ``text``; fails if it ends before."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"the process ended without {text!r}; it printed:\n{seen}")


def test_a_burst_shows_one_screen_and_ends_with_zero(env):
    done = manage("upnext_worker", "--burst", env=env)

    assert done.returncode == 0, done.stderr
    assert "Workers  shop" in done.stdout
    assert "Queues   shop" in done.stdout
    assert "Slots    8 (" in done.stdout
    assert "example_project.shop.tasks.send_receipt" in done.stdout
    assert "History  written here" in done.stdout


def test_options_change_what_the_screen_says(env):
    done = manage("upnext_worker", "--burst", "--concurrency", "3", "--no-mirror", "--only", "shop", env=env)

    assert done.returncode == 0, done.stderr
    assert "Slots    3 (" in done.stdout
    assert "History  left to other processes" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["upnext_worker", "upnext_mirror"])
def test_a_signal_ends_it_with_zero(env, running, command, number):
    process = start(command, env=env)
    running.append(process)
    read_until(process, "SIGTERM")

    process.send_signal(number)

    assert process.wait(timeout=20) == 0


def test_missing_tables_stop_the_start_and_name_the_command_that_makes_them(env, tmp_path):
    done = manage("upnext_worker", env={**env, "UPNEXT_EXAMPLE_DATABASE": str(tmp_path / "empty.sqlite3")})

    assert done.returncode == 1
    assert "run: python manage.py migrate upnext" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_tables_do_not_matter_without_the_mirror(env, tmp_path):
    env = {**env, "UPNEXT_EXAMPLE_DATABASE": str(tmp_path / "empty.sqlite3")}

    done = manage("upnext_worker", "--no-mirror", "--burst", env=env)

    assert done.returncode == 0, done.stderr


def test_without_a_redis_url_and_without_debug_it_says_what_to_set(env):
    done = manage("upnext_worker", env={**env, "UPNEXT_REDIS_URL": "", "UPNEXT_EXAMPLE_DEBUG": "0"})

    assert done.returncode == 1
    assert "CommandError: There is no Redis URL" in done.stderr
    assert "Traceback" not in done.stderr


def run(**options: Any) -> None:
    call_command("upnext_worker", stdout=StringIO(), **options)


def test_an_unknown_worker_is_refused_with_those_there_are():
    with pytest.raises(
        CommandError, match=r"--only shpo: no Worker has that name. Did you mean 'shop'\? Known: .*\bshop\b"
    ):
        run(only=["shpo"])


def test_an_unknown_queue_is_refused_with_those_there_are():
    with pytest.raises(CommandError, match=r"--queues mail: no chosen Worker has such a queue. Known: shop"):
        run(only=["shop"], queues=frozenset({"mail", "shop"}))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--concurrency", "0"],
        ["--concurrency", "x"],
        ["--shutdown-timeout", "-1"],
        ["--shutdown-timeout", "nan"],
        ["--queues", ","],
    ],
)
def test_a_number_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(CommandError, match=arguments[0]):
        call_command("upnext_worker", *arguments)


def test_a_project_that_declares_nothing_has_nothing_to_run():
    with registry.isolated(), pytest.raises(CommandError, match="there is nothing to run"):
        run()


def test_workers_of_different_redis_servers_need_a_process_each():
    with registry.isolated():
        Worker("here", redis_url="redis://one")
        Worker("there", redis_url="redis://two")

        with pytest.raises(CommandError, match="use different Redis servers"):
            run()


@pytest.fixture
def outbox_env(env: dict[str, str]) -> dict[str, str]:
    return {**env, "DJANGO_SETTINGS_MODULE": "tests.outbox_settings"}


def submit_while_redis_is_away(outbox_env: dict[str, str]) -> str:
    """Submit a receipt in a transaction of a process that has no Redis; return the job's id."""
    code = (
        "from django.db import transaction; from example_project.shop.tasks import send_receipt\n"
        "with transaction.atomic(): print('job', send_receipt.submit(1).job_id)"
    )
    done = manage("shell", "-v0", "-c", code, env={**outbox_env, "UPNEXT_REDIS_URL": "redis://127.0.0.1:1"})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_a_burst_relays_first_and_runs_what_it_relayed(outbox_env):
    job_id = submit_while_redis_is_away(outbox_env)

    done = manage("upnext_worker", "--burst", env=outbox_env)

    assert done.returncode == 0, done.stderr
    assert "Outbox   relayed here" in done.stdout
    shown = manage(
        "shell",
        "-v0",
        "-c",
        f"import upnext_django as u; print(u.get_job('{job_id}').status)",
        env=outbox_env,
    )
    assert shown.stdout.split()[-1] in ("complete", "failed", "retrying", "scheduled")


def test_the_relay_alone_runs_until_it_is_stopped(outbox_env, running):
    job_id = submit_while_redis_is_away(outbox_env)
    listed = manage("upnext_relay", "--list", env=outbox_env)
    assert "default: 1 waiting, the oldest for " in listed.stdout

    process = start("upnext_relay", env=outbox_env)
    running.append(process)
    assert "the outbox of default to" in read_until(process, "Stop with Ctrl-C")
    look = f"import upnext_django as u; j = u.get_job('{job_id}'); print(j.task_name)"
    wait_until(
        lambda: "default: 0 waiting" in manage("upnext_relay", "--list", env=outbox_env).stdout,
        "the outbox is empty",
        timeout=30,
    )
    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert manage("shell", "-v0", "-c", look, env=outbox_env).stdout.split()[-1].endswith("send_receipt")


def test_the_relay_sends_once_and_puts_back(outbox_env):
    submit_while_redis_is_away(outbox_env)
    once = manage("upnext_relay", "--once", env=outbox_env)
    again = manage("upnext_relay", "--once", env=outbox_env)
    retried = manage("upnext_relay", "--retry", env=outbox_env)

    assert once.stdout.splitlines()[-1] == "1 row taken out of the outbox."
    assert again.stdout.splitlines()[-1] == "0 rows taken out of the outbox."
    assert retried.stdout.splitlines()[-1] == "0 put back."


def test_a_relay_without_redis_says_so(outbox_env):
    done = manage("upnext_relay", "--once", env={**outbox_env, "UPNEXT_REDIS_URL": "redis://:pw@127.0.0.1:1"})

    submit_while_redis_is_away(outbox_env)
    failed = manage(
        "upnext_relay", "--once", env={**outbox_env, "UPNEXT_REDIS_URL": "redis://:pw@127.0.0.1:1"}
    )

    assert done.returncode == 0
    assert failed.returncode == 1
    assert "127.0.0.1:1" in failed.stderr
    assert "pw" not in failed.stderr
    manage("upnext_relay", "--once", env=outbox_env)
