"""Edit the arguments of a job that failed and run it again with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin import acting
from upnext_django.admin.page import Crumb, PageAdmin
from upnext_django.operations import dead_letters

__all__ = ["ArgumentsForm", "edit_and_replay", "parsed", "replay"]


class ArgumentsForm(forms.Form):
    """The arguments of a call as JSON."""

    args = forms.CharField(
        label=gettext_lazy("Positional arguments"),
        help_text=gettext_lazy("A JSON list."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    kwargs = forms.CharField(
        label=gettext_lazy("Keyword arguments"),
        help_text=gettext_lazy("A JSON object."),
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
    )

    def clean_args(self) -> list[Any]:
        """Return the list."""
        return parsed(self.cleaned_data["args"], list, _('It must be a JSON list, like [1, "two"].'))  # type: ignore[no-any-return]

    def clean_kwargs(self) -> dict[str, Any]:
        """Return the object."""
        return parsed(self.cleaned_data["kwargs"], dict, _('It must be a JSON object, like {"order_id": 1}.'))  # type: ignore[no-any-return]


def edit_and_replay(
    model_admin: PageAdmin,
    request: HttpRequest,
    job_id: str,
    *,
    function: str,
    known: Mapping[str, Any],
    back: str,
    trail: Sequence[Crumb],
    title: str,
    button: str,
) -> HttpResponseBase:
    """Show the ``known`` arguments, masked ones as masks; make a new job with what was made of them."""
    form = ArgumentsForm(
        request.POST or None,
        initial={
            name: json.dumps(known.get(name, empty), indent=2, ensure_ascii=False)
            for name, empty in (("args", []), ("kwargs", {}))
        },
    )
    if (
        request.method == "POST"
        and form.is_valid()
        and replay(request, job_id, args=form.cleaned_data["args"], kwargs=form.cleaned_data["kwargs"])
    ):
        return HttpResponseRedirect(back)
    return model_admin.page(
        request,
        "admin/upnext/arguments.html",
        title=title,
        trail=trail,
        form=form,
        about=_("A new job of %(task)s is made with these arguments. The one that failed stays as it is.")
        % {"task": function},
        button=button,
        back=back,
    )


def replay(request: HttpRequest, job_id: str, **edited: Any) -> bool:
    """Make a new job from one that failed or was cancelled, and say so; False if it was refused."""
    return acting.attempt(
        request,
        lambda: (
            _("A new job was made: %(id)s.") % {"id": dead_letters.replay(job_id, by=request.user, **edited)}
        ),
    )


def parsed(text: str, kind: type, rule: str) -> Any:
    """Return the JSON value ``text``. Raises ValidationError with ``rule`` for one of another type."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{rule} ({error})") from None
    if not isinstance(value, kind):
        raise ValidationError(rule)
    return value
