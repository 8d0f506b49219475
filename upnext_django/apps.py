"""The Django app: connects the engine to Django and finds the project's tasks."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from upnext_django.declare.job import Job
    from upnext_django.operations.reader import HistoryReader

__all__ = ["UpNextConfig"]


class UpNextConfig(AppConfig):
    """``upnext_django`` in INSTALLED_APPS; its models and permissions have the label ``upnext``."""

    name = "upnext_django"
    label = "upnext"
    verbose_name = _("Background jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give the engine its Django side, then import every ``tasks.py``. Reaches for no server."""
        # Here and not above: models must be loaded before anything that reads them is imported.
        from upnext_django import checks, conf
        from upnext_django.connection import get_broker
        from upnext_django.core.sealing import Use, sealer_for
        from upnext_django.declare import ports
        from upnext_django.outbox.lookup import OutboxLookup
        from upnext_django.signals import SignalObserver
        from upnext_django.storage import ArtifactStorage
        from upnext_django.transactions import TransactionSender

        ports.configure(
            environment=conf.get,
            broker=get_broker,
            sender=TransactionSender(),
            history=_History(),
            sealer=lambda: sealer_for(conf.get().secrets_keys, Use.ARGUMENTS),
            secrets=_Secrets(),
            outbox=lambda: OutboxLookup() if conf.get().outbox else None,
            artifacts=ArtifactStorage(),
            observer=SignalObserver(),
            timezone=lambda: settings.TIME_ZONE,
        )
        checks.register_all()
        for config in apps.get_app_configs():
            if config.module is not None and module_has_submodule(config.module, "tasks"):
                _import_whole(f"{config.name}.tasks")


class _History:
    """The history of the database that the settings name at the time of the question."""

    def job(self, job_id: str) -> Job | None:
        reader = self._reader()
        return None if reader is None else reader.job(job_id)

    async def ajob(self, job_id: str) -> Job | None:
        reader = self._reader()
        return None if reader is None else await reader.ajob(job_id)

    def _reader(self) -> HistoryReader | None:
        from upnext_django import conf
        from upnext_django.operations.reader import HistoryReader

        settings = conf.get()
        return HistoryReader(using=settings.database) if settings.history else None


class _Secrets:
    """The secrets of the database that the settings name at the time of the question."""

    def values(self, names: Collection[str]) -> Mapping[str, str]:
        from upnext_django.operations import secrets

        return secrets.values(names)


def _import_whole(name: str) -> None:
    """Import a module, and the modules in it if it is a package. An error in one of them is raised."""
    module = import_module(name)
    for info in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        _import_whole(info.name)
