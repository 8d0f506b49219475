"""The form by which a function is run: a field for each parameter, and a few options of the job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.exceptions import ArgumentError
from upnext_django.operations.parameters import Parameter, Shape, call_of, read, written

__all__ = ["RunForm"]

_PREFIX = "arg_"
_HELP = {
    Shape.TEXT: gettext_lazy('A text; "" is an empty one.'),
    Shape.INTEGER: gettext_lazy("A whole number."),
    Shape.NUMBER: gettext_lazy("A number."),
    Shape.SWITCH: "",
    Shape.LIST: gettext_lazy("A JSON list."),
    Shape.OBJECT: gettext_lazy("A JSON object."),
    Shape.ANY: gettext_lazy("A JSON value, or a text."),
}


class RunForm(forms.Form):
    """Made from ``parameters``; ``queues`` are those that a job may go to, the function's own first.

    ``known`` are the values of a call to copy, by parameter; ``masked`` names those that it hides, which must
    be given anew. ``call`` are the arguments once the form is valid.
    """

    delay = forms.FloatField(
        label=gettext_lazy("Delay"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("Seconds from now; empty is at once."),
    )
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        required=False,
        min_value=-100,
        max_value=100,
        help_text=gettext_lazy("-100 to 100, higher first; empty is the function's own."),
    )
    queue = forms.ChoiceField(label=gettext_lazy("Queue"))

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        parameters: Sequence[Parameter],
        queues: Sequence[str],
        known: Mapping[str, Any],
        masked: Collection[str] = (),
    ) -> None:
        super().__init__(data, label_suffix="")
        self._parameters = {_PREFIX + one.name: one for one in parameters}
        self.call: tuple[list[Any], dict[str, Any]] = ([], {})
        options = {name: self.fields.pop(name) for name in list(self.fields)}
        for name, parameter in self._parameters.items():
            field = _field(parameter, must=parameter.name in masked)
            if parameter.name in known and parameter.name not in masked:
                field.initial = written(parameter, known[parameter.name])
            self.fields[name] = field
        self.fields.update(options)
        queue = self.fields["queue"]
        assert isinstance(queue, forms.ChoiceField)
        queue.choices = [(name, name) for name in queues]
        queue.help_text = "" if len(queues) > 1 else _("Its limits and its cache are counted in this one.")

    def clean(self) -> dict[str, Any]:
        """Read each argument by its parameter and make the call of them."""
        cleaned = self.cleaned_data
        values: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            # A textarea's line ends come as those of another system.
            text = str(cleaned.get(name) or "").replace("\r\n", "\n")
            if text:
                self._read(name, parameter, text, values)
        if not self.errors:
            try:
                self.call = call_of(list(self._parameters.values()), values)
            except ArgumentError as error:
                self.refuse(error)
        return cleaned

    def refuse(self, error: Exception) -> None:
        """Show an error at the field of the argument that it names, else above the form."""
        field = _PREFIX + error.argument if isinstance(error, ArgumentError) else ""
        # Of *args it names one by its place.
        field = field.partition("[")[0]
        self.add_error(field if field in self.fields else None, ValidationError(str(error)))

    def _read(self, name: str, parameter: Parameter, text: str, values: dict[str, Any]) -> None:
        try:
            values[parameter.name] = read(parameter, text)
        except ArgumentError as error:
            self.add_error(name, ValidationError(str(error)))


def _field(parameter: Parameter, *, must: bool) -> forms.Field:
    label = {"args": "*", "kwargs": "**"}.get(parameter.kind, "") + parameter.name
    if parameter.annotation:
        label = f"{label}: {parameter.annotation}"
    required = parameter.required or must
    helps = [str(_HELP[parameter.shape])]
    if parameter.sensitive:
        helps.append(_("It is encrypted, and shown to nobody."))
    if must:
        helps.append(_("It was masked: give it anew."))
    elif not required:
        shown = _("Empty is the default, %(default)s.") % {"default": parameter.default}
        helps.append(shown if parameter.default is not None else _("May be left empty."))
    if parameter.nullable and parameter.shape is not Shape.ANY:
        helps.append(_("null is None."))
    help_text = " ".join(part for part in helps if part)
    if parameter.shape is Shape.SWITCH:
        choices = [("", "---------"), ("true", _("true")), ("false", _("false"))]
        if parameter.nullable:
            choices.append(("null", "null"))
        return forms.ChoiceField(label=label, required=required, choices=choices, help_text=help_text)
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    widget: forms.Widget
    if parameter.shape in (Shape.INTEGER, Shape.NUMBER):
        widget = forms.TextInput(attrs=attrs)
    else:
        tall = parameter.shape in (Shape.LIST, Shape.OBJECT) or parameter.kind in ("args", "kwargs")
        widget = forms.Textarea(attrs={**attrs, "rows": 4 if tall else 1})
    return forms.CharField(label=label, required=required, strip=False, widget=widget, help_text=help_text)
