"""A project with a NinjaAPI of its own, which includes the router."""

from __future__ import annotations

from django.urls import path
from ninja import NinjaAPI

from upnext_django.api import install, router

plain = NinjaAPI(urls_namespace="plain")
plain.add_router("/jobs-of-ours", router)

installed = NinjaAPI(urls_namespace="installed")
installed.add_router("", router)
install(installed)

urlpatterns = [path("plain/", plain.urls), path("installed/", installed.urls)]
