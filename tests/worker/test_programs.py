"""Programs that are their own tasks module, whose sync tasks run in processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import upnext_django as upnext
from tests.waiting import wait_until
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.registry import registry

START_S = 25.0
ROOT = Path(__file__).resolve().parents[2]

TASKS = """
import os
import upnext_django as upnext

worker = upnext.Worker("service", sync_executor=upnext.SyncExecutor.PROCESS)

@worker.task
def about() -> list[str]:
    return [upnext.get_current_context().function, str(os.getpid()), str(os.getppid())]
"""

PROGRAM = """
from upnext_django.broker.broker import Broker
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess

def main():
    environment = Environment(namespace=os.environ["TEST_NAMESPACE"], redis_url=os.environ["TEST_REDIS_URL"])
    broker = Broker(environment)
    ports.configure(environment=lambda: environment, broker=lambda url: broker)
    raise SystemExit(WorkerProcess([worker], WorkerOptions(), broker=broker).run())
"""

GUARDED = 'if __name__ == "__main__":\n    main()\n'


class Program:
    """A file that a test writes and runs."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.path = folder / "service.py"
        self.log = folder / "service.log"
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, text: str, *, module: bool = False) -> None:
        self.path.write_text(text)
        program = ["-m", "service"] if module else [str(self.path)]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program],
                cwd=self.path.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "TEST_NAMESPACE": self._environment.namespace,
                    "TEST_REDIS_URL": str(self._environment.redis_url),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(3 * START_S)


@pytest.fixture
def program(tmp_path: Path, environment: Environment) -> Iterator[Program]:
    program = Program(tmp_path, environment)
    broker = Broker(environment)
    with registry.isolated(), ports.isolated():
        ports.configure(environment=lambda: environment, broker=lambda url: broker)
        yield program
    broker.close()
    if program.process is not None:
        program.process.kill()
        program.process.wait()
    sys.stdout.write(program.log.read_text())


def declared_here(folder: Path) -> upnext.TaskHandle[[], list[str]]:
    """Import the program's tasks in the test too, as a site that submits to it would."""
    namespace: dict[str, object] = {"__name__": "service"}
    exec(compile(TASKS, str(folder / "service.py"), "exec"), namespace)
    task = namespace["about"]
    assert isinstance(task, upnext.TaskHandle)
    return task


@pytest.mark.parametrize("module", [False, True], ids=["file", "module"])
def test_tasks_of_main_keep_their_importable_name_in_the_processes(program, tmp_path, module):
    program.start(TASKS + PROGRAM + GUARDED, module=module)
    task = declared_here(tmp_path)

    function, pid, parent = task.options(wait_timeout=START_S).wait_sync().value

    assert function == "service.about"
    assert int(parent) == program.process.pid != int(pid)
    program.process.terminate()
    assert program.exit_code() == 0


def test_a_program_that_starts_its_worker_unguarded_is_told_so_and_loses_no_job(program, tmp_path):
    program.start(TASKS + PROGRAM + "main()\n")
    future = declared_here(tmp_path).submit_sync()

    assert program.exit_code() == 1

    said = program.log.read_text()
    assert "Start the worker under if __name__ == '__main__': only." in said
    assert "no process for sync tasks came up 5 times in a row" in said
    wait_until(lambda: future.status_sync() == "queued", "the job waits for a better worker")


def test_a_module_that_cannot_be_imported_in_the_processes_is_told_of_with_its_traceback(program, tmp_path):
    broken = 'if __name__ == "__mp_main__":\n    import no_such_module\n'
    program.start(TASKS + PROGRAM + GUARDED + broken)
    future = declared_here(tmp_path).submit_sync()

    assert program.exit_code() == 1

    assert "No module named 'no_such_module'" in program.log.read_text()
    wait_until(lambda: future.status_sync() == "queued", "the job waits for a better worker")
