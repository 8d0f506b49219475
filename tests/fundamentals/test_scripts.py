"""Scripts without a Django project: ``upnext.run()`` and the console script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import upnext_django as upnext
from tests.waiting import wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
UPNEXT = str(Path(sys.executable).with_name("upnext"))

#: The code of the workers guide, as it is there, with what the tests ask for below it.
SERVICE = (
    (HERE / "seed_workers.py").read_text()
    + """

@worker.task
async def divide(x: int, by: int) -> float:
    return x / by


nobody = upnext.Worker("nobody")


@nobody.task
async def waits() -> None: ...


upnext.run(worker)
"""
)


def run(*words: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as a user does, without anything that this test run has set."""
    return subprocess.run(
        words, cwd=cwd, env=_environment(extra), capture_output=True, text=True, timeout=60, check=False
    )


def _environment(extra: dict[str, str]) -> dict[str, str]:
    names = ("DJANGO_SETTINGS_MODULE", "UPNEXT_REDIS_URL", "UPNEXT_NAMESPACE", "UPNEXT_HOME")
    return {name: value for name, value in os.environ.items() if name not in names} | extra


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "service.py").write_text(SERVICE)
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Path]:
    """Give the folder in which ``upnext run service.py --only my-worker`` runs."""
    log = folder / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [UPNEXT, "run", "service.py", "--only", "my-worker", "--shutdown-timeout", "2"],
            cwd=folder,
            env=_environment({"PYTHONUNBUFFERED": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: "Stop with Ctrl-C" in log.read_text() or process.poll() is not None,
            "the worker has started",
            timeout=60,
        )
        assert process.poll() is None, log.read_text()
        yield folder
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()


def test_a_service_runs_and_a_call_gets_its_value(service: Path):
    called = run(
        UPNEXT, "call", "service.process_order", "--kwargs", '{"order_id": "1", "items": []}', cwd=service
    )

    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"order_id": "1", "status": "completed"}
    assert "Slots    10" in (service / "worker.log").read_text()
    assert (service / ".upnext" / "history.sqlite3").is_file()
    assert (service / ".upnext" / ".gitignore").read_text() == "*\n"


def test_a_call_need_not_wait(service: Path):
    called = run(UPNEXT, "call", "service.divide", "--args", "[6, 3]", "--no-wait", cwd=service)
    job_id = called.stdout.strip()

    def shown() -> str:
        return run(UPNEXT, "inspect", "job", job_id, cwd=service).stdout

    wait_until(lambda: "It has ended: complete." in shown(), "the job is complete", timeout=20)


def test_a_job_that_fails_ends_the_call_with_its_error(service: Path):
    called = run(UPNEXT, "call", "service.divide", "--args", "[6, 0]", cwd=service)

    assert called.returncode == 1
    assert "failed: ZeroDivisionError: division by zero" in called.stderr
    assert called.stdout == ""


def test_a_call_that_waits_long_is_told_why_and_ends_with_3(service: Path):
    called = run(UPNEXT, "call", "service.waits", "--timeout", "4", cwd=service)

    assert called.returncode == 3
    assert "No running worker serves the queue nobody; served are my-worker." in called.stderr
    assert "has not ended after 4 s and goes on" in called.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["service.proces_order"], 1, "did you mean 'service.process_order'"),
        (["servce.process_order"], 1, "no module of that name in .* declares a task"),
        (["service.divide", "--kwargs", '{"x": 1}'], 1, "required argument: 'by'; its parameters are x, by"),
        (["service.divide", "--kwargs", "{x: 1}"], 2, "is no JSON"),
        (["service.divide", "--args", '{"x": 1}'], 2, "is no JSON list"),
        (["service.divide", "--timeout", "soon"], 2, "not a number of seconds"),
        (["service.divide", "--file", "servce.py"], 1, "there is no such file"),
        ([], 2, "NAME"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_call_says_what_would_be_right(service: Path, words: list[str], code: int, said: str):
    called = run(UPNEXT, "call", *words, cwd=service)

    assert called.returncode == code, called.stderr
    assert re.search(said, called.stderr), called.stderr
    assert "Traceback" not in called.stderr


def test_the_doctor_finds_a_running_service_well(service: Path):
    def examined() -> subprocess.CompletedProcess[str]:
        return run(UPNEXT, "doctor", "--json", cwd=service)

    wait_until(
        lambda: '"No worker is alive' not in examined().stdout, "the worker tells of itself", timeout=20
    )
    failed = [one for one in json.loads(examined().stdout) if one["state"] == "fail"]
    # What other tests submitted to a Worker that nobody runs.
    assert [one["name"] for one in failed if "service.waits in nobody" not in one["found"]] == []


def test_the_same_file_as_a_script_has_the_same_tasks(tmp_path: Path):
    text = SERVICE.replace("upnext.run(worker)", 'upnext.run(worker, burst=True)\nprint("after")')
    (tmp_path / "service.py").write_text(text)

    script = run(sys.executable, "service.py", cwd=tmp_path)
    called = run(UPNEXT, "run", "service.py", "--only", "my-worker", "--burst", cwd=tmp_path)

    assert script.returncode == called.returncode == 0, script.stderr + called.stderr
    for screen in (script.stdout, called.stdout):
        assert "Workers  my-worker\n" in screen
        assert "Tasks    service.divide\n           service.process_order\n" in screen
    assert script.stdout.endswith("after\n")


def test_the_sync_tasks_of_a_script_may_run_in_processes(tmp_path: Path):
    """Its settings are in no module: a fresh process has to make the same project again."""
    (tmp_path / "images.py").write_text(
        "import os\n"
        "import upnext_django as upnext\n"
        'worker = upnext.Worker("images", sync_executor=upnext.SyncExecutor.PROCESS)\n'
        "@worker.task\n"
        "def where() -> int:\n"
        "    return os.getpid()\n"
    )
    submitted = run(UPNEXT, "call", "images.where", "--file", "images.py", "--no-wait", cwd=tmp_path)

    worker = run(UPNEXT, "run", "images.py", "--burst", cwd=tmp_path)

    assert worker.returncode == 0, worker.stderr
    told = run(UPNEXT, "inspect", "job", submitted.stdout.strip(), cwd=tmp_path).stdout
    assert "It has ended: complete." in told, worker.stderr


def test_a_file_of_a_package_has_the_name_that_others_import_it_by(tmp_path: Path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "prices.py").write_text("FULL = 1.0\n")
    code = "import upnext_django as u\nfrom shop.prices import FULL\n@u.task\ndef price(): return FULL\n"
    (package / "jobs.py").write_text(code)
    script = code + "print(price.name)\n"

    listed = run(UPNEXT, "list", "shop/jobs.py", cwd=tmp_path)
    (package / "jobs.py").write_text(script)
    named = run(sys.executable, "-m", "shop.jobs", cwd=tmp_path)

    assert "  shop.jobs.price  " in listed.stdout
    assert named.stdout == "shop.jobs.price\n"
    assert run(sys.executable, "shop/jobs.py", cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout == named.stdout


def test_list_shows_what_a_file_declares_and_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "service.py").write_text(SERVICE)

    listed = run(UPNEXT, "list", "service.py", cwd=tmp_path)
    told = json.loads(run(UPNEXT, "list", "service.py", "--json", cwd=tmp_path).stdout)

    assert listed.stdout.splitlines() == [
        "Tasks",
        "  service.process_order  queue=my-worker  worker=my-worker  retries=3  timeout=30.0",
        "  service.divide  queue=my-worker  worker=my-worker",
        "  service.waits  queue=nobody  worker=nobody",
        "Crons",
        "  service.daily_report  '0 9 * * *' UTC  queue=my-worker  worker=my-worker",
        "Event handlers",
        "  service.send_confirmation  on 'order.placed'  queue=my-worker  worker=my-worker",
    ]
    assert {row["kind"] for row in told} == {"task", "cron", "event"}
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["service.py"]


def test_with_a_settings_module_it_is_that_project(tmp_path: Path):
    listed = run(UPNEXT, "list", cwd=ROOT, DJANGO_SETTINGS_MODULE="example_project.settings")
    missing = run(UPNEXT, "list", cwd=tmp_path, DJANGO_SETTINGS_MODULE="no_such.settings")

    assert "  example_project.shop.tasks.flow  " in listed.stdout
    assert missing.returncode == 1
    assert "DJANGO_SETTINGS_MODULE is 'no_such.settings', and there is no module 'no_such'" in missing.stderr


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("missing.py", None, r"missing\.py: there is no such file in .*give its path"),
        ("empty.py", "x = 1\n", r"empty\.py declares no Worker and no task.*@worker\.task"),
        ("wrong.py", "def f(:\n", r"wrong\.py:1: .*\n    def f\(:"),
        ("service.txt", "", "is no Python file"),
        ("json.py", "x = 1\n", r"json\.py is imported as 'json'.*rename the file"),
        ("raises.py", "1 / 0\n", "ZeroDivisionError"),
        ("option.py", "import upnext_django as u\nu.task(retrys=3)(print)\n", "did you mean 'retries'"),
        ("--burst", None, "Name the files first"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_run_says_why(tmp_path: Path, name: str, code: str | None, said: str):
    if code is not None:
        (tmp_path / name).write_text(code)

    ended = run(UPNEXT, "run", name, cwd=tmp_path)

    assert ended.returncode == (2 if name.startswith("--") else 1)
    assert re.search(said, ended.stderr, re.DOTALL), ended.stderr
    # Only the user's own error shows where in the user's code it is.
    assert ("Traceback" in ended.stderr) is (name == "raises.py")


def test_only_names_a_worker_of_the_files(tmp_path: Path):
    (tmp_path / "service.py").write_text(SERVICE)

    ended = run(UPNEXT, "run", "service.py", "--only", "my-worke", cwd=tmp_path)
    wrong = run(UPNEXT, "run", "service.py", "--concurrency", "none", cwd=tmp_path)

    assert ended.returncode == 1
    assert (
        "--only my-worke: no Worker of these files has that name; did you mean 'my-worker'?" in ended.stderr
    )
    assert wrong.returncode == 2
    assert "'none' is not a whole number of 1 or more" in wrong.stderr


def test_the_data_may_be_kept_elsewhere(tmp_path: Path):
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "file").touch()
    home = tmp_path / "home"

    ended = run(UPNEXT, "run", "service.py", "--burst", cwd=tmp_path, UPNEXT_HOME=str(home))
    refused = run(UPNEXT, "run", "service.py", "--burst", cwd=tmp_path, UPNEXT_HOME=str(tmp_path / "file"))

    assert ended.returncode == 0, ended.stderr
    assert (home / ".upnext" / "history.sqlite3").is_file()
    assert not (tmp_path / ".upnext").exists()
    assert refused.returncode == 1
    assert "cannot be written" in refused.stderr
    assert "UPNEXT_HOME" in refused.stderr


def test_help_is_there_without_a_project(tmp_path: Path):
    for words in (["--help"], ["run", "--help"], ["call", "--help"], ["list", "--help"]):
        shown = run(UPNEXT, *words, cwd=tmp_path)

        assert shown.returncode == 0, shown.stderr
        assert "usage: upnext" in shown.stdout
    assert not list(tmp_path.iterdir())


async def test_run_is_refused_where_a_loop_runs():
    with pytest.raises(upnext.UpNextError, match="event loop"):
        upnext.run()


def test_an_unknown_option_of_run_is_refused():
    with pytest.raises(upnext.UpNextError, match="did you mean 'concurrency'"):
        upnext.run(concurency=3)  # type: ignore[call-arg]
