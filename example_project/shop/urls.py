"""URLs of the shop."""

from __future__ import annotations

from django.urls import path

from example_project.shop import views

app_name = "shop"

urlpatterns = [
    path("", views.place_order, name="place_order"),
    path("orders/<uuid:reference>/", views.show_order, name="order"),
    path("products/<slug:slug>/", views.show_product, name="product"),
    path("products/<slug:slug>/recount/", views.start_recount, name="start_recount"),
]
