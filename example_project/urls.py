"""URLs of the example project: the shop at the root, the admin and the REST API below it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from upnext_django.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("", include("example_project.shop.urls")),
]
