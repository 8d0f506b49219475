"""Every page opens: one that lacks what it shows says what that is, and the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from upnext_django.admin.bounds import Bounds
from upnext_django.operations.away import AWAY, Cause, cause_of

if TYPE_CHECKING:
    from upnext_django.admin.page import PageAdmin

__all__ = ["guarded"]

logger = logging.getLogger("upnext.admin")

_View = Callable[..., HttpResponseBase]


def guarded(model_admin: PageAdmin, view: _View) -> _View:
    """Return ``view``, one of the addresses of ``model_admin``, that answers with a page in any case.

    Where Redis, the database or a setting is away and the view does not say so itself, that page tells the
    cause to those who may see the model. Looking takes no longer than bounds.py says.
    """

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        looks = request.method in ("GET", "HEAD")
        bounds = Bounds() if looks else None

        def held(make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
            try:
                if bounds is None:
                    return make()
                with bounds.hold():
                    return make()
            except AWAY as error:
                notice = _notice(model_admin, request, error)
                if notice is None:
                    raise
                return notice

        response = held(lambda: view(request, *args, **kwargs))
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            _hold_rendering(response, held)
        return response

    return shown


def _hold_rendering(
    response: SimpleTemplateResponse, held: Callable[[Callable[[], HttpResponseBase]], HttpResponseBase]
) -> None:
    """Hold what a page reads while it is rendered, which Django does after the view and its middleware."""
    render = response.render

    def held_render() -> HttpResponseBase:
        # Gone again before anybody copies or keeps the response.
        del response.render
        return held(render)

    response.render = held_render  # type: ignore[method-assign, assignment]


def _notice(model_admin: PageAdmin, request: HttpRequest, error: BaseException) -> HttpResponseBase | None:
    """Return the page that says what is away, None if it is something else or not for this user."""
    try:
        cause = cause_of(error)
        if cause is None or not _may_know(model_admin, request):
            return None
        logger.warning("%s could not be shown. %s: %s", request.path, cause.what, cause, exc_info=error)
        page = _page(model_admin, request, cause)
        page.render()
    except AWAY:
        # What the notice needs is away too: users and sessions are in the same database.
        return None
    add_never_cache_headers(page)
    return page


def _may_know(model_admin: PageAdmin, request: HttpRequest) -> bool:
    return model_admin.admin_site.has_permission(request) and model_admin.has_view_permission(request)


def _page(model_admin: PageAdmin, request: HttpRequest, cause: Cause) -> SimpleTemplateResponse:
    looked = request.method in ("GET", "HEAD")
    return model_admin.page(
        request,
        "admin/upnext/away.html",
        title=model_admin.list_title(),
        cause=cause,
        said=""
        if looked
        else _("It was not done, or broken off: look whether it has to be asked for again."),
        again=request.get_full_path() if looked else model_admin.way_here()[-1][0],
    )
