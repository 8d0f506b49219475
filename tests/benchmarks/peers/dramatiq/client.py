"""Submits to Dramatiq."""

import submitting
import tasks

submitting.main(
    submit={"async": tasks.noop_async.send, "sync": tasks.noop_sync.send, "orm": tasks.orm.send},
    echo=lambda index: tasks.echo.send(index).get_result(block=True, timeout=30_000),
)
