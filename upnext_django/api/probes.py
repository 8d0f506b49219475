"""For probes and monitoring: is the process there, can jobs run, and the numbers for Prometheus."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from upnext_django import conf
from upnext_django.api import throttle
from upnext_django.api.endpoint import Address, endpoint
from upnext_django.api.problems import ProblemError
from upnext_django.operations.health.finding import State
from upnext_django.operations.health.readiness import is_ready, readiness
from upnext_django.operations.metrics import exposition
from upnext_django.operations.scope import is_part

__all__ = ["router"]

router = Router(tags=["monitoring"])

_ASK_AGAIN_S = 5
_METRICS = {
    200: {
        "description": "Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


class HealthOut(Schema):
    """The process answers."""

    status: str = Field(examples=["ok"])


class CheckOut(Schema):
    """One thing that was looked at."""

    name: str = Field(examples=["mirror"])
    state: State
    found: str | None = Field(description="What is there; null for callers without a permission.")


class ReadyOut(Schema):
    """Jobs that are submitted now will run and be seen."""

    status: str = Field(examples=["ok"])
    checks: list[CheckOut]


class Open:
    """Lets anybody in where ``UPNEXT["API_OPEN"]`` has the name; asked before token and session."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, request: HttpRequest) -> str | None:
        if self.name not in conf.get().api_open:
            return None
        throttle.spend(throttle.address(request), "address")
        return "anybody"


router.path_operations["/health"] = Address()


@router.get("/health", auth=None, response=HealthOut, operation_id="health", summary="Say that this is up")
def health(request: HttpRequest) -> HealthOut:
    """Whoever asks is answered; neither Redis nor the database is asked."""
    return HealthOut(status="ok")


@endpoint(
    router,
    "GET",
    "/ready",
    needs="view_overview",
    answer=ReadyOut,
    refuses=(503,),
    before=(Open("ready"),),
)
def ready(request: HttpRequest) -> ReadyOut:
    """Say whether jobs that are submitted now will run and be seen.

    Redis and the database answer, the migrations are applied, a worker takes work, and the history is less
    than a minute behind. Otherwise it is a 503 that names what is missing. With "ready" in
    `UPNEXT["API_OPEN"]` anybody may ask, and is told the names of the checks alone.
    """
    tells_all = request.auth != "anybody" and not is_part(request)  # type: ignore[attr-defined]
    findings = readiness()
    if not is_ready(findings):
        missing = [one for one in findings if one.state is not State.OK]
        told = [f"{one.name}: {one.found} {one.fix}".rstrip() if tells_all else one.name for one in missing]
        raise ProblemError(503, f"Not ready. {'; '.join(told)}", retry_after=_ASK_AGAIN_S)
    return ReadyOut(
        status="ok",
        checks=[
            CheckOut(name=one.name, state=one.state, found=one.found if tells_all else None)
            for one in findings
        ],
    )


@endpoint(
    router,
    "GET",
    "/metrics",
    needs="view_overview",
    answer=None,
    refuses=(503,),
    extra={"responses": _METRICS},
    before=(Open("metrics"),),
)
def metrics(request: HttpRequest) -> HttpResponse:
    """Give the metrics, read now.

    What is away is left out, and `upnext_redis_up` or `upnext_database_up` is 0. With "metrics" in
    `UPNEXT["API_OPEN"]` anybody may ask. Without the package prometheus_client it is a 503. They count all
    jobs: whoever may see a part of them is refused with 403.
    """
    if request.auth != "anybody" and is_part(request):  # type: ignore[attr-defined]
        raise ProblemError(403, "You may see a part of the jobs, and the metrics count all of them.")
    return HttpResponse(exposition.text(), content_type=exposition.CONTENT_TYPE)
