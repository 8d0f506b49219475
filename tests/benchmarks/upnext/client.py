"""Submits to upnext_django, from sync code."""

import django

django.setup()

import submitting  # noqa: E402  (tasks need the setup above)
from jobs import tasks  # noqa: E402

import upnext_django as upnext  # noqa: E402

TASKS = {"async": tasks.noop_async, "sync": tasks.noop_sync, "orm": tasks.orm, "busy": tasks.busy}


def echo(index: int) -> int:
    return tasks.echo.submit(index).value_sync(timeout=30)


submitting.main(
    submit={name: task.submit for name, task in TASKS.items()},
    many={
        name: lambda indexes, task=task: upnext.submit_many(task, [{"index": index} for index in indexes])
        for name, task in TASKS.items()
    },
    echo=echo,
)
