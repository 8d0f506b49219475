"""Where the rows of the history are: in the database that the settings name, whatever routers say."""

from __future__ import annotations

from typing import TypeVar

from django.db import models

from upnext_django import conf

__all__ = ["Rows"]

_Row = TypeVar("_Row", bound=models.Model)


class Rows(models.Manager[_Row]):
    """Reads and writes in ``UPNEXT["DATABASE"]`` where nothing else is said by ``using()``.

    The mirror and operations name that database too: what they write is what a page shows.
    """

    def get_queryset(self) -> models.QuerySet[_Row]:
        found = super().get_queryset()
        # Set by db_manager(), and by a related object's own database.
        return found if self._db else found.using(conf.get().database)
