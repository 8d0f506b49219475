"""The OpenAPI text and its pages: complete, for staff only, and without any other server."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import NoReverseMatch, reverse
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger

from upnext_django.api.auth import BearerToken
from upnext_django.api.problems import MEDIA_TYPE, ProblemError, answer_of, phrase_of
from upnext_django.api.shapes import give_names

__all__ = ["LocalSwagger", "complete", "staff_only"]

_RETRY_AFTER = {
    "description": "Seconds after which another try makes sense.",
    "schema": {"type": "integer", "minimum": 1},
}
_CHALLENGE = {"description": "How to authenticate.", "schema": {"type": "string"}}
_HEADERS = {
    "401": {"WWW-Authenticate": _CHALLENGE},
    "429": {"Retry-After": _RETRY_AFTER},
    "503": {"Retry-After": _RETRY_AFTER},
}


#: For programs that make a client of the schema.
_BEARER = BearerToken()


class LocalSwagger(Swagger):
    """ninja's page with its own copy of the script, which ``"ninja"`` in INSTALLED_APPS serves."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        if "ninja" not in settings.INSTALLED_APPS:
            raise Http404('Add "ninja" to INSTALLED_APPS: its static files have the script of this page.')
        return super().render_page(request, api, **kwargs)


def staff_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return ``view`` for active users who are staff, and for their tokens; others are sent to the login."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            bearer = _BEARER(request)
        except ProblemError as error:
            return answer_of(error)
        user = getattr(request, "user", None) if bearer is None else bearer.user
        if user is not None and user.is_active and user.is_staff:
            return view(request, *args, **kwargs)
        # Without the query: who sends a token there would find it in one more address.
        return redirect_to_login(request.path, _login_url())

    return checked


def complete(schema: dict[str, Any]) -> None:
    """Add what ninja does not say: media type and headers of problems, scopes, and the names of shapes."""
    problems: dict[str, Any] = {}
    for operations in schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                _without_null(parameter["schema"])
                if "description" in parameter["schema"]:
                    parameter.setdefault("description", parameter["schema"]["description"])
            form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
            for field in form["schema"]["properties"].values() if form else ():
                _without_null(field)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    name = phrase_of(int(status)).title().replace(" ", "")
                    problems[name] = _problem(str(status), response)
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
            for way in operation.get("security", ()):
                if "BearerToken" in way:
                    way["BearerToken"] = operation.get("x-scopes", [])
    schema["components"]["responses"] = dict(sorted(problems.items()))
    give_names(schema)


def _problem(status: str, response: dict[str, Any]) -> dict[str, Any]:
    content = {MEDIA_TYPE: next(iter(response["content"].values()))}
    told = {**response, "description": phrase_of(int(status)), "content": content}
    return {**told, "headers": _HEADERS[status]} if status in _HEADERS else told


def _without_null(schema: dict[str, Any]) -> None:
    """Leave out that a parameter or a field of a form may be null: what is not given is not there at all."""
    while "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        if len(kinds) != 1:
            break
        schema.pop("anyOf")
        schema.update({**kinds[0], **schema})


def _login_url() -> str | None:
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return None
