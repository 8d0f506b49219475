"""Submits to Celery."""

import submitting
import tasks

submitting.main(
    submit={"sync": tasks.noop_sync.delay, "orm": tasks.orm.delay},
    echo=lambda index: tasks.echo.delay(index).get(timeout=30),
)
