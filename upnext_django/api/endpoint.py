"""How every operation of the API is declared: who may call it, what it answers, what it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Router
from ninja.operation import Operation, PathView
from ninja.responses import Status

from upnext_django.api.auth import guard, scope_of
from upnext_django.api.problems import FieldError, Problem, ProblemError, answer_of, problem_of
from upnext_django.exceptions import UpNextError

__all__ = ["Address", "endpoint"]

_View = TypeVar("_View", bound=Callable[..., Any])

#: Whoever calls anything may be told these.
_ALWAYS = (401, 403, 422, 429)
#: What operations say no with.
_TOLD = (UpNextError, ImproperlyConfigured)


def endpoint(
    router: Router,
    method: str,
    path: str,
    *,
    needs: str | Sequence[str],
    answer: Any,
    status: int = 200,
    refuses: Sequence[int] = (),
    scope: str | None = None,
    extra: dict[str, Any] | None = None,
    before: Sequence[Callable[[HttpRequest], object]] = (),
) -> Callable[[_View], _View]:
    """Return a decorator that adds a view to ``router``.

    ``needs`` are codenames of permissions, ``scope`` what a token needs if not what scope_of() says,
    ``answer`` the schema of ``status``, ``refuses`` the statuses of problems that it may answer with beside
    401, 403, 422 and 429. What operations raise becomes a problem. ``extra`` is added to its OpenAPI text.
    ``before`` are other ways in, asked first: each returns something true for who needs no permission.
    """
    permissions = [needs] if isinstance(needs, str) else list(needs)
    scopes = sorted({scope or scope_of(permission) for permission in permissions})
    named = ", ".join(f"`upnext.{permission}`" for permission in permissions)
    rule = f"Needs the permission {named}; a token needs the scope {', '.join(f'`{s}`' for s in scopes)}."

    def decorate(view: _View) -> _View:
        known: set[str] = set()
        router.path_operations.setdefault(path, Address())
        translated = _translated(view, known, status)
        summary, _, text = (view.__doc__ or "").strip().partition("\n")
        router.api_operation(
            [method.upper()],
            path,
            auth=[*before, *guard(*permissions, scope=scope)],
            response={status: answer, **dict.fromkeys(sorted({*_ALWAYS, *refuses}), Problem)},
            operation_id=view.__name__,
            summary=summary.rstrip("."),
            description="\n\n".join(part for part in (_dedented(text), rule) if part),
            openapi_extra={"x-permissions": permissions, "x-scopes": scopes, **(extra or {})},
        )(translated)
        known.update(_query_names(translated))
        return view

    return decorate


class Address(PathView):
    """The operations of one address: HEAD is GET (servers leave out the body), other methods are problems."""

    def _find_operation(self, request: HttpRequest) -> Operation | None:
        sought = "GET" if request.method == "HEAD" else request.method
        return next((operation for operation in self.operations if sought in operation.methods), None)

    def clone(self) -> PathView:
        cloned = super().clone()
        cloned.__class__ = Address
        return cloned

    def _not_allowed(self) -> HttpResponse:
        methods = {method for operation in self.operations for method in operation.methods}
        allowed = sorted(methods | {"HEAD"} if "GET" in methods else methods)
        detail = f"There is no such method here; there is {', '.join(allowed)}."
        return answer_of(ProblemError(405, detail, headers={"Allow": ", ".join(allowed)}))


def _translated(view: Callable[..., Any], known: Collection[str], status: int) -> Callable[..., Any]:
    """Return ``view`` with what operations raise made into problems, and ``known`` query parameters only.

    Whoever mistypes a filter would else act on what it should have left out.
    """

    def refused(error: Exception) -> Exception:
        return problem_of(error) or error

    def answered(result: Any) -> Any:
        return result if isinstance(result, HttpResponseBase) else Status(status, result)

    if inspect.iscoroutinefunction(view):

        @wraps(view)
        async def translated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _refuse_unknown(request, known)
            try:
                return answered(await view(request, *args, **kwargs))
            except _TOLD as error:
                raise refused(error) from error

    else:

        @wraps(view)
        def translated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _refuse_unknown(request, known)
            try:
                return answered(view(request, *args, **kwargs))
            except _TOLD as error:
                raise refused(error) from error

    # ninja resolves annotations that are texts in the module of the function it is given.
    translated.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
    return translated


def _query_names(view: Any) -> set[str]:
    """Return the query parameters of what ninja made of ``view``."""
    models = [model for model in view._ninja_operation.models if model.__ninja_param_source__ == "query"]
    return {name for model in models for name in model.__ninja_flatten_map__}


def _refuse_unknown(request: HttpRequest, known: Collection[str]) -> None:
    errors = []
    for name in request.GET.keys() - known:
        near = get_close_matches(name, known, n=1)
        there = f"there are {', '.join(sorted(known))}" if known else "there are none"
        rule = f"did you mean {near[0]}?" if near else there
        errors.append(FieldError(field=f"query.{name}", rule=f"it is unknown; {rule}"))
    if errors:
        raise ProblemError(422, " ".join(f"{one.field}: {one.rule}." for one in errors), errors=errors)


def _dedented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
