"""The API as a project includes it, and the router with all its operations."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI, Router
from ninja.openapi.schema import OpenAPISchema

from upnext_django.api import (
    artifacts,
    bulk_actions,
    dead_letters,
    documentation,
    events,
    functions,
    job_actions,
    jobs,
    probes,
    problems,
    queues,
    schedules,
    secrets,
    statistics,
    stream,
    workers,
)
from upnext_django.api.auth import guard

__all__ = ["api", "router"]

_DESCRIPTION = """\
Jobs of this project: look at them, submit, cancel and retry them, replay dead letters, run schedules.

Every call needs a bearer token or the session of a user who has the permission that is named with it.
A refusal is a problem after RFC 9457. Times are UTC in ISO 8601, durations in seconds."""


class _API(NinjaAPI):
    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        documentation.complete(schema)
        return schema


router = Router()
# The statistics before the jobs: "stats" is no job's id.
for part in (
    statistics,
    jobs,
    job_actions,
    functions,
    queues,
    workers,
    dead_letters,
    bulk_actions,
    schedules,
    artifacts,
    secrets,
    events,
    stream,
    probes,
):
    router.add_router("", part.router)

api = _API(
    title="upnext_django",
    version="1",
    description=_DESCRIPTION,
    urls_namespace="upnext-api",
    docs=documentation.LocalSwagger(),
    docs_decorator=documentation.staff_only,
    # For whatever is added without saying who may call it: nobody without a permission is let in anyway.
    auth=guard(),
)
problems.install(api)
api.add_router("", router)
