"""``upnext call NAME``: submit one job from a shell and wait for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from upnext_django.cli import project, source
from upnext_django.core import codec
from upnext_django.core.names import check_function_name
from upnext_django.declare.future import Future
from upnext_django.declare.registry import registry
from upnext_django.declare.task import TaskHandle
from upnext_django.exceptions import JobNotFound, ScriptError, TaskExecutionError

__all__ = ["STILL_RUNS", "call"]

#: The exit code where the wait was over before the job was.
STILL_RUNS = 3
#: After this time of silence the caller is told why.
_PATIENCE_S = 3.0


def call(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    files: Iterable[str] = (),
    wait: bool = True,
    timeout: float | None = None,
    out: TextIO,
    err: TextIO,
) -> int:
    """Submit a job of the task ``name`` and write its value to ``out`` as JSON; return the exit code.

    ``files`` are imported first; without them the module in ``name`` is. With ``wait`` False only the job's
    id is written. ``timeout`` is in seconds, None waits for ever. Raises UnknownTask, ScriptError,
    and ArgumentError for what cannot be submitted.
    """
    task = _find(name, [source.locate(file) for file in files])
    try:
        future = task.submit_sync(*args, **kwargs)
    except TypeError as error:
        raise ScriptError(
            f"{error}; its parameters are {', '.join(task.definition.signature.names)}."
        ) from error
    if not wait:
        out.write(f"{future.job_id}\n")
        return 0
    err.write(f"Job {future.job_id} is submitted.\n")
    err.flush()
    try:
        value = _value(future, timeout, err)
    except TaskExecutionError as error:
        err.write(f"{error}\n")
        return 1
    except TimeoutError:
        err.write(
            f"Job {future.job_id} has not ended after {timeout:g} s and goes on; look at it with "
            f"upnext_inspect job {future.job_id}.\n"
        )
        return STILL_RUNS
    raw = codec.encode(value, argument="return value", function=task.name)
    out.write(f"{raw.decode()}\n")
    return 0


def _value(future: Future[Any], timeout: float | None, err: TextIO) -> Any:
    """Wait for the value; say what the job waits for if it takes long."""
    if timeout is not None and timeout <= _PATIENCE_S:
        return future.value_sync(timeout)
    try:
        return future.value_sync(_PATIENCE_S)
    except TimeoutError:
        # Imported late: it reads models, and Django is set up by now.
        from upnext_django.operations.waiting import why

        try:
            standing = why(future.job_id)
        except JobNotFound:
            return future.value_sync(timeout and timeout - _PATIENCE_S)
        err.write(f"{standing.text} {standing.way_out}".rstrip() + "\n")
        err.flush()
    return future.value_sync(timeout and timeout - _PATIENCE_S)


def _find(name: str, files: Sequence[source.Source]) -> TaskHandle[Any, Any]:
    check_function_name(name)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    found = files or _source_of(name)
    project.enter(found[0].root if found else Path.cwd())
    for one in files:
        source.load(one)
    if registry.find(name) is None:
        for one in found:
            source.load(one)
    if registry.find(name) is None and not registry.tasks:
        raise ScriptError(
            f"No task {name!r}: no module of that name in {Path.cwd()} declares a task. Call it as "
            "module.function in the folder of the module, or give the file: --file service.py."
        )
    return registry.task(name)


def _source_of(name: str) -> list[source.Source]:
    """Return the file of the module in "module.function" where there is one below this folder."""
    module = name.rpartition(".")[0]
    while module:
        file = Path.cwd().joinpath(*module.split(".")).with_suffix(".py")
        if file.is_file():
            return [source.Source(file.resolve(), module)]
        module = module.rpartition(".")[0]
    return []
