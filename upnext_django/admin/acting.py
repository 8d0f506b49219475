"""Actions of an operator: asked once more where they matter, done by ``operations``, told in a message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from upnext_django.admin.page import Crumb, PageAdmin
from upnext_django.exceptions import RedisUnavailable, UpNextError
from upnext_django.operations.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NO_REDIS", "attempt", "confirm", "is_confirmed", "refuse", "report"]

#: Redis is away, or nothing says where it is.
NO_REDIS = (RedisUnavailable, ImproperlyConfigured)

_NAMES_SHOWN = 20


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the form of confirm() was sent."""
    return request.method == "POST" and request.POST.get("confirmed") == "yes"


def confirm(
    model_admin: PageAdmin,
    request: HttpRequest,
    *,
    title: str,
    question: str,
    button: str,
    back: str,
    objects: Sequence[str] = (),
    hidden: Iterable[tuple[str, object]] = (),
    dangerous: bool = False,
    warning: str = "",
    words: Sequence[str] = (),
    trail: Sequence[Crumb] = (),
) -> TemplateResponse:
    """Return a page that asks ``question`` and posts to the same address again.

    ``hidden`` goes along with the form. ``objects`` are names of what it is about; the first 20 are shown.
    ``dangerous`` is what cannot be undone. ``words`` say what all of the objects have in common.
    """
    return model_admin.page(
        request,
        "admin/upnext/confirm.html",
        title=title,
        trail=trail,
        question=question,
        button=button,
        back=back,
        objects=list(islice(objects, _NAMES_SHOWN)),
        more=max(0, len(objects) - _NAMES_SHOWN),
        hidden=list(hidden),
        dangerous=dangerous,
        warning=warning,
        words=list(words),
    )


def report(request: HttpRequest, outcome: Outcome) -> None:
    """Tell the user what an action on many jobs did."""
    messages.add_message(request, outcome.level, outcome.summary)


def attempt(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Call ``act`` and show the sentence it returns; a refusal is shown as an error. True if it was done."""
    try:
        said = act()
    except NO_REDIS as error:
        refuse(request, error)
        return False
    except (UpNextError, TypeError) as error:
        messages.error(request, str(error))
        return False
    messages.success(request, said)
    return True


def refuse(request: HttpRequest, error: RedisUnavailable | ImproperlyConfigured) -> None:
    """Tell the user that Redis is away, or not configured, and that nothing was changed."""
    messages.error(request, _("Nothing was changed: %(error)s") % {"error": error})
