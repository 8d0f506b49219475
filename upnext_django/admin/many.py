"""Actions of a list: on the rows that were selected, or on all that match its filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from upnext_django.admin import acting
from upnext_django.admin.display import visible
from upnext_django.admin.listing import CannotBeKept, LongChangeList
from upnext_django.admin.page import Crumb, PageAdmin
from upnext_django.admin.paging import COUNTED
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.operations.bulk import begin
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb
from upnext_django.operations.looking import look
from upnext_django.operations.scope import scoped

__all__ = ["AT_ONCE", "Question", "act_on_all", "act_on_many"]

#: Rows that an action takes while the browser waits; with more of them workers do it.
AT_ONCE = 200
_NAMED = 20
_SALT = "upnext_django.admin.many"
_ANSWERED_WITHIN_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before ``verb`` is done to many. ``dangerous`` is what cannot be undone."""

    verb: BulkVerb
    title: str
    question: str
    button: str
    dangerous: bool = False


def act_on_many(
    model_admin: ReadOnlyAdmin, request: HttpRequest, rows: QuerySet[Any], action: str, question: Question
) -> HttpResponse | None:
    """Ask, then do it to the ``rows`` that were selected, or to all that match; tell what it did.

    ``action`` is the name under which the list knows it.
    """
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    hidden = [("action", action)]
    if request.POST.get("select_across") == "1":
        # The filters in the address say which; but Django takes no action without a row.
        hidden += [("select_across", "1"), (ACTION_CHECKBOX_NAME, chosen[0] if chosen else "-")]
        try:
            selection = _asked(request, question.verb) or _selection(model_admin, request)
        except CannotBeKept as error:
            said = _("The filter %(name)s cannot be kept for all that match; select rows instead.")
            messages.error(request, said % {"name": error})
            return None
        return act_on_all(
            model_admin, request, selection, question, back=request.get_full_path(), hidden=hidden
        )
    keys = [str(key) for key in rows.order_by("-pk").values_list("pk", flat=True)]
    if not keys:
        _nothing(request)
        return None
    if acting.is_confirmed(request):
        _act(request, question.verb, keys)
        return None
    return acting.confirm(
        model_admin,
        request,
        title=question.title,
        question=f"{question.question} {_how_many(len(keys))}",
        button=question.button,
        back=request.get_full_path(),
        objects=[*_names(rows.order_by("-pk")), *keys[_NAMED:]],
        hidden=[*hidden, ("select_across", "0"), *((ACTION_CHECKBOX_NAME, key) for key in keys)],
        dangerous=question.dangerous,
    )


def act_on_all(
    page_admin: PageAdmin,
    request: HttpRequest,
    selection: Selection,
    question: Question,
    *,
    back: str,
    hidden: Sequence[tuple[str, str]] = (),
    trail: Sequence[Crumb] = (),
) -> HttpResponse | None:
    """Ask, then do it to all of ``selection``: at once if they are few, else let workers do it.

    What was asked about counts, not what ``selection`` is when the answer comes; an answer to nothing that
    was asked is asked again. None if it is done, else a page.
    """
    asked = _asked(request, question.verb)
    selection = asked or selection
    doing = VERBS[question.verb]
    parts = doing.parts(scoped(request, selection.rows(doing.model)), selection.until)
    keys = _newest(parts, AT_ONCE + 1)
    if not keys:
        _nothing(request)
        return None
    are_many = len(keys) > AT_ONCE
    if asked is not None:
        if not are_many:
            _act(request, question.verb, keys)
            return None
        action = begin.start(question.verb, selection, by=request.user, request=request)
        messages.success(request, _("It is done in the background; this page says how far it is."))
        return HttpResponseRedirect(page_admin.url("upnext_bulkaction_change", action.pk))
    count = _count(parts, COUNTED) if are_many else len(keys)
    named = selection.rows(doing.model).filter(pk__in=keys[:_NAMED]).order_by("-pk")
    return acting.confirm(
        page_admin,
        request,
        title=question.title,
        question=f"{question.question} {_how_many(count)}",
        button=question.button,
        back=back,
        objects=[*_names(named), *([] if are_many else keys[_NAMED:])],
        words=selection.words,
        hidden=[*hidden, ("selection", _signed(request, question.verb, selection))],
        dangerous=question.dangerous,
        warning=_in_the_background() if are_many else "",
        trail=trail,
    )


def _newest(parts: Sequence[QuerySet[Any]], most: int) -> list[str]:
    """Return the keys of the newest ``most`` rows of all ``parts``: of each part they are read in order."""
    found = [str(key) for part in parts for key in part.order_by("-pk").values_list("pk", flat=True)[:most]]
    return sorted(found, reverse=True)[:most]


def _count(parts: Sequence[QuerySet[Any]], most: int) -> int:
    """Return how many rows the ``parts`` have together, ``most`` if there are more."""
    count = 0
    for part in parts:
        # By key the newest are counted first: of a status with many jobs they are the ones of the last hours.
        count += part.order_by("-pk")[: most - count].count() if count < most else 0
    return count


def _selection(model_admin: ReadOnlyAdmin, request: HttpRequest) -> Selection:
    listed = model_admin.get_changelist_instance(request)
    assert isinstance(listed, LongChangeList)
    return listed.selection(request)


def _signed(request: HttpRequest, verb: BulkVerb, selection: Selection) -> str:
    return signing.dumps([str(request.user.pk), verb, selection.as_dict()], salt=_SALT, compress=True)


def _asked(request: HttpRequest, verb: BulkVerb) -> Selection | None:
    """Return what this user was asked about and confirms; None if he was not, or longer ago than a day."""
    if not acting.is_confirmed(request):
        return None
    try:
        answer = signing.loads(request.POST.get("selection", ""), salt=_SALT, max_age=_ANSWERED_WITHIN_S)
    except signing.BadSignature:
        return None
    user, asked_verb, facts = answer
    return Selection.of_dict(facts) if (user, asked_verb) == (str(request.user.pk), verb) else None


def _act(request: HttpRequest, verb: BulkVerb, keys: Sequence[str]) -> None:
    try:
        outcome = VERBS[verb].act(keys, request.user)
    except acting.NO_REDIS as error:
        messages.error(
            request,
            _("It was broken off; what was done before stays done, and it can be asked for again: %(error)s")
            % {"error": error},
        )
        return
    acting.report(request, outcome)


def _nothing(request: HttpRequest) -> None:
    messages.warning(request, _("There is nothing that this could be done to; nothing was changed."))


def _names(rows: QuerySet[Any]) -> list[str]:
    return [visible(str(row)) for row in rows.only("pk", "function_name")[:_NAMED]]


def _how_many(count: int) -> str:
    if count >= COUNTED:
        return _("It is about more than %(count)s jobs.") % {"count": f"{COUNTED:,}"}
    return ngettext("It is about %(count)d job.", "It is about %(count)d jobs.", count) % {"count": count}


def _in_the_background() -> str:
    said = _("So many are gone through by a worker, while you may watch it, stop it, or leave.")
    served, _away = look(begin.is_served)
    if served is False:
        said = f"{said} {_('No worker is running: it begins as soon as one does.')}"
    return said
