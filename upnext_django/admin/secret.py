"""Secrets in the admin: set and deleted here, never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from upnext_django.admin.display import time_column
from upnext_django.admin.page import PageAdmin
from upnext_django.core.names import check_secret_name, variable_of
from upnext_django.exceptions import DefinitionError, UpNextError
from upnext_django.models import Secret
from upnext_django.operations import secrets
from upnext_django.operations.scope import scoped

__all__ = ["SecretAdmin"]

# Django's classes take no parameters outside of their stubs.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Secret]
else:
    _ModelForm = forms.ModelForm


class SecretForm(_ModelForm):
    """A name and a new value; an old value never comes into it."""

    value = forms.CharField(
        label=_("value"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("It is not shown again. Several lines take: python manage.py upnext_secrets set NAME"),
    )

    class Meta:
        model = Secret
        fields = ["name"]

    def clean_name(self) -> str:
        """Return the name in lower case, as it is stored."""
        try:
            return check_secret_name(self.cleaned_data["name"])
        except DefinitionError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any] | None:
        """Refuse what secrets.put() would refuse."""
        cleaned = super().clean()
        name, value = self.cleaned_data.get("name") or self.instance.name, self.cleaned_data.get("value")
        if name and value:
            try:
                secrets.check(name, value)
            except UpNextError as error:
                raise ValidationError(str(error)) from None
        return cleaned


@admin.register(Secret)
class SecretAdmin(PageAdmin):
    """Names and times of secrets."""

    form = SecretForm
    list_display = ("name", "variable", "shown_updated_at", "updated_by", "shown_created_at")
    search_fields = ("name",)

    shown_updated_at = time_column("updated_at", _("last changed"))
    shown_created_at = time_column("created_at", _("created"))

    @admin.display(description=_("environment variable"))
    def variable(self, secret: Secret) -> str:
        return variable_of(secret.name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return scoped(request, super().get_queryset(request)).defer("ciphertext")

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return ("name", "variable", "shown_updated_at", "updated_by", "shown_created_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        told = self.get_readonly_fields(request, obj) or ("name",)
        return (*told, "value") if obj is None or self.has_change_permission(request, obj) else told

    @method_decorator(sensitive_post_parameters("value"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    # What operations do they note themselves, whoever asks.

    def log_addition(self, request: HttpRequest, obj: Secret, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Secret, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        secrets.put(obj.name, form.cleaned_data["value"], by=request.user)

    def delete_model(self, request: HttpRequest, obj: Secret) -> None:
        secrets.delete(obj.name, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Secret]) -> None:
        for name in list(queryset.values_list("name", flat=True)):
            secrets.delete(name, by=request.user)
