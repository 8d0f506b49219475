"""Pages of our own in the admin: the context that its templates expect, the way back, the permission."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from upnext_django.admin.guard import guarded

__all__ = ["Crumb", "PageAdmin"]

#: An address and what it is called.
Crumb = tuple[str, str]

_View = Callable[..., HttpResponseBase]

# Django's class takes no parameters outside of its stubs.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class PageAdmin(_ModelAdmin):
    """A ModelAdmin that can show pages of its own beside, or instead of, those of Django."""

    class Media:
        css = {"all": ["upnext_django/upnext.css"]}
        js = [forms.Script("upnext_django/live.js", defer=True)]

    @property
    def urls(self) -> list[URLPattern]:
        """The addresses of get_urls(), each of which opens whatever is away: see guard.py."""
        patterns: list[URLPattern] = self.get_urls()
        for pattern in patterns:
            pattern.callback = guarded(self, pattern.callback)
        return patterns

    def permitted(self, view: _View, *needed: str) -> _View:
        """Return ``view`` for users who may see this model and do all that ``needed`` names.

        "retry" asks ``has_retry_permission(request)``. The site itself only asks who may log in.
        """

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not self.has_view_permission(request):
                raise PermissionDenied
            if not all(getattr(self, f"has_{name}_permission")(request) for name in needed):
                raise PermissionDenied
            request.current_app = self.admin_site.name
            return view(request, *args, **kwargs)

        return checked

    def page_path(self, route: str, view: _View, name: str, *needed: str) -> URLPattern:
        """Return the pattern of a page, ``admin:upnext_<model>_<name>``; see permitted()."""
        url_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(self.permitted(view, *needed)), name=url_name)

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: str,
        trail: Sequence[Crumb] = (),
        status: int = 200,
        **context: Any,
    ) -> TemplateResponse:
        """Return a page of ``template``, which extends ``admin/upnext/page.html``.

        ``trail`` stands between the model's list and the page in the breadcrumbs.
        """
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "media": self.media,
            # A page does not lead to itself: some have no list but are one.
            "trail": [crumb for crumb in [*self.way_here(), *trail] if crumb[0] != request.path],
            **context,
        }
        return TemplateResponse(request, template, whole, status=status)

    def way_here(self) -> list[Crumb]:
        """Return the breadcrumbs down to this model's list."""
        return [
            (self.url("index"), _("Home")),
            (self.url("app_list", self.opts.app_label), str(self.opts.app_config.verbose_name)),
            (self.url(f"{self.opts.app_label}_{self.opts.model_name}_changelist"), self.list_title()),
        ]

    def list_title(self) -> str:
        """Return what the list of this model is called."""
        return str(capfirst(self.opts.verbose_name_plural))

    def url(self, name: str, *args: object) -> str:
        """Return the address of a page of this admin site."""
        return reverse(f"admin:{name}", args=args, current_app=self.admin_site.name)

    def may(self, request: HttpRequest, codename: str) -> bool:
        """Return whether the user has one of Django's permissions on this app."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))
