"""Answers that say no: one shape for all of them, after RFC 9457."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import (
    BadRequest,
    ImproperlyConfigured,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, RawPostDataException
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import ConfigDict, Field

from upnext_django.exceptions import (
    ArgumentError,
    Backpressure,
    BulkActionNotFound,
    DefinitionError,
    EncryptionError,
    IdempotencyKeyReused,
    InvalidBulkMove,
    InvalidTransition,
    JobNotFound,
    NotForApi,
    RedisUnavailable,
    ScheduleNotFound,
    SecretNotFound,
    TokenNotFound,
    UnknownQueue,
    UnknownTask,
    UpNextError,
    WorkerNotFound,
)

__all__ = [
    "MEDIA_TYPE",
    "FieldError",
    "Problem",
    "ProblemError",
    "answer_of",
    "install",
    "phrase_of",
    "problem_of",
    "wrong",
]

MEDIA_TYPE: Final = "application/problem+json"

_NOT_FOUND = (
    BulkActionNotFound,
    JobNotFound,
    ScheduleNotFound,
    SecretNotFound,
    TokenNotFound,
    UnknownQueue,
    UnknownTask,
    WorkerNotFound,
)
_REFUSALS: tuple[type[Exception], ...] = (
    UpNextError,
    ImproperlyConfigured,
    PermissionDenied,
    Http404,
    BadRequest,
    MultiPartParserError,
    RawPostDataException,
    OperationalError,
    InterfaceError,
    SuspiciousOperation,
    ValidationError,
    HttpError,
)
_NEWER_PHRASES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
#: Seconds after which Redis is worth another try, and a mirror that lags.
_AGAIN_S = 5


class FieldError(Schema):
    """One value that was refused."""

    field: str = Field(description="Where it is: `query.limit`, `body.kwargs.order_id`, `header.…`.")
    rule: str = Field(description="The rule that it breaks.")


class Problem(Schema):
    """Why a request was refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:upnext:problem:conflict",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "Job 019a0000-0000-7000-8000-000000000001 is complete; only cancelled or "
                    "failed jobs can be replayed.",
                    "errors": [],
                    "state": "complete",
                }
            ]
        }
    )

    type: str = Field(description="A URI that names the kind of problem; the same for each status.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The status code.")
    detail: str = Field(description="What was refused, the rule and the way out.")
    errors: list[FieldError] = Field(default=[], description="With 400 and 422: the values that are wrong.")
    state: str | None = Field(default=None, description="With 409: the state that forbids it.")


class ProblemError(HttpError):
    """A request that is refused with ``status``; ``retry_after`` are whole seconds.

    It is ninja's HttpError, so that an API without install() answers with the status at least.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        state: str | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.errors = list(errors)
        self.state = state
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))


def wrong(field: str, rule: str, *, status: int = 422) -> ProblemError:
    """Return the refusal of one value; ``field`` is like ``body.kwargs``."""
    return ProblemError(status, f"{field}: {rule}", errors=[FieldError(field=field, rule=rule)])


def problem_of(error: Exception) -> ProblemError | None:
    """Return what to answer where an operation raised ``error``, None for what is nobody's mistake."""
    match error:
        case ProblemError():
            return error
        case RedisUnavailable() | Backpressure() | ImproperlyConfigured() | EncryptionError():
            return ProblemError(503, str(error), retry_after=_AGAIN_S)
        case InvalidTransition() | InvalidBulkMove():
            return ProblemError(409, str(error), state=error.current)
        case NotForApi():
            return ProblemError(403, str(error))
        case IdempotencyKeyReused():
            return wrong("header.Idempotency-Key", str(error))
        case ArgumentError():
            return ProblemError(422, str(error), errors=[FieldError(field=error.argument, rule=str(error))])
        case DefinitionError():
            return ProblemError(422, str(error), errors=[FieldError(field="body", rule=str(error))])
        case _ if isinstance(error, _NOT_FOUND):
            return ProblemError(404, str(error))
        case UpNextError():
            return ProblemError(409, str(error))
        case PermissionDenied():
            return ProblemError(403, str(error) or "You may not do this.")
        case Http404():
            return ProblemError(404, str(error) or "There is nothing at this address.")
        case RequestDataTooBig():
            return ProblemError(413, "The body is longer than DATA_UPLOAD_MAX_MEMORY_SIZE allows.")
        case TooManyFieldsSent():
            return ProblemError(422, "There are more fields than DATA_UPLOAD_MAX_NUMBER_FIELDS allows.")
        case BadRequest() | MultiPartParserError() | SuspiciousOperation():
            return ProblemError(400, f"The body cannot be read: {error}")
        case RawPostDataException():
            return wrong("body", "it is a form; send JSON, with the content type application/json")
        case OperationalError() | InterfaceError():
            # Its words may have a host, or values.
            return ProblemError(503, "The database does not answer.", retry_after=_AGAIN_S)
        case ValidationError():
            return _invalid(error.errors)
        case HttpError():
            return ProblemError(error.status_code, str(error))
    return None


def install(api: NinjaAPI) -> None:
    """Have ``api`` answer with problems: what it needs that includes ``router`` and wants the same answers.

    Its own exception handlers of these classes are replaced.
    """
    for kind in _REFUSALS:
        api.add_exception_handler(kind, _answer)


def phrase_of(status: int) -> str:
    """Return what a status is called, the same on every Python: 3.13 took the names of RFC 9110."""
    return _NEWER_PHRASES.get(status) or HTTPStatus(status).phrase


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    problem = problem_of(error)
    if problem is None:
        raise error
    return answer_of(problem)


def answer_of(problem: ProblemError) -> HttpResponse:
    """Return the answer that tells a problem."""
    status = problem.status_code
    phrase = phrase_of(status)
    body = Problem(
        type=f"urn:upnext:problem:{phrase.lower().replace(' ', '-')}",
        title=phrase,
        status=status,
        detail=str(problem),
        errors=problem.errors,
        state=problem.state,
    )
    response = HttpResponse(body.model_dump_json(), status=status, content_type=MEDIA_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def _invalid(found: Iterable[dict[str, Any]]) -> ProblemError:
    errors = [FieldError(field=_place(one["loc"]), rule=str(one["msg"])) for one in found]
    detail = " ".join(f"{one.field}: {one.rule}." for one in errors)
    return ProblemError(422, detail, errors=errors)


def _place(loc: Sequence[object]) -> str:
    """Return ``body.kwargs`` of ("body", "body", "kwargs"): parameters of a view say where they are from."""
    parts = [str(part) for part in loc]
    if len(parts) > 1 and parts[0] == parts[1]:
        del parts[0]
    return ".".join(parts)
