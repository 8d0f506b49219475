"""Events: send one to all its handlers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.idempotency import turn_of
from upnext_django.api.job_shapes import EXAMPLE_ID
from upnext_django.api.params import Body, IdempotencyKey, InPath
from upnext_django.operations import remote
from upnext_django.operations.function_part import known_functions

__all__ = ["router"]

router = Router(tags=["events"])


class EventData(Body):
    """What happened."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": {"order_id": 7}}]})

    data: dict[str, Any] = Field(default={}, max_length=1_000, description="The event's keyword arguments.")


class Sent(Schema):
    """The jobs of the handlers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"job_ids": [EXAMPLE_ID]}]})

    job_ids: list[str]


@endpoint(
    router,
    "POST",
    "/events/{name}/send",
    needs="run_function",
    answer=Sent,
    status=202,
    refuses=(400, 404, 409, 413, 503),
)
def send_event(
    request: HttpRequest, name: InPath, body: EventData, idempotency_key: IdempotencyKey = None
) -> Sent:
    """Send an event: each of its handlers gets a job of its own.

    All of them must be declared with `api=True`; else it is refused with 403 and no job is made.
    """
    by = caller(request).actor
    with turn_of(request, idempotency_key) as turn, calling():
        made = turn.jobs or turn.done(
            remote.send(name, body.data, by=by, turn=turn, known=known_functions(request))
        )
    return Sent(job_ids=made)
