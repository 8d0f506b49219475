"""System checks: what is wrong with settings and declarations, told before anything runs.

They read settings and what was imported; none of them reaches for Redis, and for a database only if the
command names one. What depends on a server is asked when a worker starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from upnext_django import conf
from upnext_django.core import sealing
from upnext_django.declare.registry import registry
from upnext_django.outbox.databases import has_outbox, may_have_outbox

__all__ = [
    "TAG",
    "check_conflicts",
    "check_database",
    "check_importable",
    "check_outbox",
    "check_outbox_tables",
    "check_redis_url",
    "check_redis_url_for_deploy",
    "check_secrets",
    "check_sensitive",
    "check_settings",
    "check_sqlite",
    "check_tasks",
    "register_all",
]

TAG: Final = "upnext"

_SETTING_IDS: Final = {
    "shape": "upnext.E001",
    "unknown": "upnext.E002",
    "url": "upnext.E003",
    "value": "upnext.E008",
}
_NO_URL: Final = "There is no Redis URL, and with DEBUG=False no server is started for you."
_NO_URL_HINT: Final = (
    f"Set UPNEXT['REDIS_URL'] or the environment variable {conf.ENVIRONMENT_URL}, for example to "
    "'redis://localhost:6379/0'."
)
_KEYS_HINT: Final = "Set UPNEXT['SECRETS_KEYS'] to a list of Fernet keys, the newest first."
_SQLITE: Final = "django.db.backends.sqlite3"

AppConfigs = Sequence[Any] | None


def register_all() -> None:
    """Register the checks with Django, under the tag "upnext"."""
    always: list[Callable[..., list[CheckMessage]]] = [
        check_settings,
        check_conflicts,
        check_importable,
        check_tasks,
        check_redis_url,
        check_database,
        check_secrets,
        check_sensitive,
        check_outbox,
        check_sqlite,
    ]
    for check in always:
        register(check, TAG)
    register(check_redis_url_for_deploy, TAG, deploy=True)
    # Not under our tag: with it `check --tag upnext` would reach for all databases, from Django 6.1 on.
    register(check_outbox_tables, Tags.database)


def check_settings(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E001 not a dict, E002 unknown key, E003 bad Redis URL, E008 any other bad value."""
    return [Error(problem.message, id=_SETTING_IDS[problem.kind]) for problem in conf.problems()]


def check_conflicts(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E004 one name declared twice with different meanings; names both places."""
    return [Error(str(conflict), obj=conflict.name, id="upnext.E004") for conflict in registry.conflicts]


def check_importable(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """W006 a task that another process may not find: made by a lambda, or inside a function."""
    return [
        Caution(
            f"The task {task.name} at {task.definition.source} is made inside a function or by a lambda, so "
            "a worker knows it only after that code has run there.",
            hint="Move it to the top level of its module, with def.",
            obj=task.name,
            id="upnext.W006",
        )
        for task in registry.tasks
        if "<lambda>" in task.name or "<locals>" in task.name
    ]


def check_tasks(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """W001 the installed apps declare no task."""
    if registry.tasks:
        return []
    searched = ", ".join(
        f"{config.name}.tasks" for config in apps.get_app_configs() if _is_of_project(config.path)
    )
    return [
        Caution(
            f"No task is declared; looked for {searched or 'a tasks module in no app at all'}.",
            hint="Put functions with @upnext.task into tasks.py of an installed app.",
            id="upnext.W001",
        )
    ]


def check_redis_url(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """W003 no Redis URL with DEBUG=False."""
    return [Caution(_NO_URL, hint=_NO_URL_HINT, id="upnext.W003")] if _lacks_url() else []


def check_redis_url_for_deploy(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E009 the same as W003, for ``check --deploy``."""
    return [Error(_NO_URL, hint=_NO_URL_HINT, id="upnext.E009")] if _lacks_url() else []


def check_database(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E007 ``UPNEXT["DATABASE"]`` is not an alias of DATABASES."""
    alias = _database()
    if alias is None or alias in django_settings.DATABASES:
        return []
    known = ", ".join(repr(name) for name in django_settings.DATABASES)
    return [
        Error(
            f"UPNEXT['DATABASE'] is {alias!r}, which DATABASES does not have.",
            hint=f"Use one of its aliases: {known}.",
            id="upnext.E007",
        )
    ]


def check_secrets(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E010 SECRETS_KEYS without cryptography; W012 Workers that ask for secrets where no key is set."""
    if conf.problems():
        return []
    if conf.get().secrets_keys:
        if sealing.is_installed():
            return []
        return [
            Error(
                "UPNEXT['SECRETS_KEYS'] is set, but the package that encrypts is missing.",
                hint="Install it with: pip install 'upnext-django[secrets]'.",
                id="upnext.E010",
            )
        ]
    wanting = [worker for worker in registry.workers if worker.options.secrets]
    return [
        Caution(
            f"The Worker {worker.name!r} at {worker.source} asks for the secrets "
            f"{', '.join(worker.options.secrets)}, and no key is set that could decrypt them.",
            hint=f"{_KEYS_HINT} Without it the Worker does not start.",
            obj=worker.name,
            id="upnext.W012",
        )
        for worker in wanting
    ]


def check_sensitive(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """W013 tasks with sensitive arguments where no key is set."""
    if conf.problems() or conf.get().secrets_keys:
        return []
    names = [task.name for task in registry.tasks if task.definition.sensitive]
    if not names:
        return []
    return [
        Caution(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} sensitive arguments, and no key is "
            "set to encrypt them with: every submit is refused.",
            hint=_KEYS_HINT,
            id="upnext.W013",
        )
    ]


def check_outbox(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """E011 OUTBOX_DATABASES names what DATABASES lacks; W011 the database of the settings has no outbox."""
    settings = None if conf.problems() else conf.get()
    if settings is None or not settings.outbox:
        return []
    unknown = [alias for alias in settings.outbox_databases or () if alias not in django_settings.DATABASES]
    if unknown:
        return [
            Error(
                f"UPNEXT['OUTBOX_DATABASES'] names {', '.join(map(repr, unknown))}, which DATABASES does not "
                "have.",
                hint="Use aliases of DATABASES, or leave it out: then the routers decide.",
                id="upnext.E011",
            )
        ]
    if settings.database in django_settings.DATABASES and settings.database not in may_have_outbox():
        return [
            Caution(
                f"UPNEXT['OUTBOX'] is on and the database {settings.database!r}, whose transactions submits "
                "follow, has no outbox, so a submit in them raises ImproperlyConfigured.",
                hint="Add it to UPNEXT['OUTBOX_DATABASES'], or have the routers allow OutboxEntry there.",
                id="upnext.W011",
            )
        ]
    return []


def check_outbox_tables(
    app_configs: AppConfigs = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W014 a database that should have an outbox lacks its table. Only those that the command names."""
    if conf.problems() or not conf.get().outbox:
        return []
    return [
        Caution(
            f"UPNEXT['OUTBOX'] is on and the database {alias!r} has no table for it, so a submit in its "
            "transactions raises ImproperlyConfigured.",
            hint=f"Run: python manage.py migrate upnext --database {alias}",
            id="upnext.W014",
        )
        for alias in databases or ()
        if alias in may_have_outbox() and _is_migrated(alias) and not has_outbox(alias)
    ]


def check_sqlite(app_configs: AppConfigs = None, **kwargs: Any) -> list[CheckMessage]:
    """W004 SQLite whose writers fail with "database is locked" when jobs and requests write at once."""
    alias = _database()
    database = django_settings.DATABASES.get(alias, {}) if alias is not None else {}
    if database.get("ENGINE") != _SQLITE or "memory" in str(database.get("NAME")):
        return []
    options = database.get("OPTIONS", {})
    missing = []
    if str(options.get("transaction_mode")).upper() != "IMMEDIATE":
        missing.append("'transaction_mode': 'IMMEDIATE'")
    if "wal" not in str(options.get("init_command", "")).lower():
        missing.append("'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'")
    if not missing:
        return []
    return [
        Caution(
            f"The SQLite database {alias!r} is not set up for several writers: requests, jobs and the "
            "history will meet 'database is locked'.",
            hint=f"Add to DATABASES[{alias!r}]['OPTIONS']: {', '.join(missing)}.",
            id="upnext.W004",
        )
    ]


def _is_migrated(alias: str) -> bool:
    """Return whether anything was ever migrated there: not when the first migrate asks."""
    return MigrationRecorder(connections[alias]).has_table()


def _lacks_url() -> bool:
    return not django_settings.DEBUG and not conf.problems() and conf.get().redis_url is None


def _database() -> str | None:
    return None if conf.problems() else conf.get().database


def _is_of_project(path: str) -> bool:
    return "site-packages" not in path and "dist-packages" not in path
