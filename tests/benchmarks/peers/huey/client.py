"""Submits to Huey."""

import submitting
import tasks

submitting.main(
    submit={"sync": tasks.noop_sync, "orm": tasks.orm},
    echo=lambda index: tasks.echo(index)(blocking=True, timeout=30),
)
