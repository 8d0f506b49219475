"""Which Django the console script works in: the project's, else a small one of its own in a folder."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import django
from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE, settings

from upnext_django import conf
from upnext_django.exceptions import ScriptError

if sys.platform != "win32":
    import fcntl

__all__ = ["ENVIRONMENT_HOME", "enter"]

#: The environment variable that moves the data of scripts somewhere else.
ENVIRONMENT_HOME: Final = "UPNEXT_HOME"
_FOLDER: Final = ".upnext"


def enter(root: Path, *, rows: bool = True) -> None:
    """Set Django up, once a process.

    With ``DJANGO_SETTINGS_MODULE`` it is that project. Without, it is a small one whose history is an
    SQLite database in ``root/.upnext`` (``UPNEXT_HOME`` replaces ``root``); where no Redis URL is set, the
    embedded Valkey keeps its data there too. ``rows`` False leaves that folder alone: nothing that only
    looks at declarations needs it. Raises ScriptError where the settings or the folder cannot be used.
    """
    if apps.ready:
        return
    own = not settings.configured and not os.environ.get(ENVIRONMENT_VARIABLE)
    if own:
        home = Path(os.environ.get(ENVIRONMENT_HOME) or root).resolve()
        settings.configure(**_settings(home))
    _set_up()
    if not apps.is_installed("upnext_django"):
        raise ScriptError(
            f"INSTALLED_APPS of {os.environ.get(ENVIRONMENT_VARIABLE) or 'the settings'} has no "
            "'upnext_django'; add it, or unset DJANGO_SETTINGS_MODULE to run without a project."
        )
    if own and rows:
        _make_tables(home / _FOLDER)


def _set_up() -> None:
    try:
        django.setup()
    except ModuleNotFoundError as error:
        module = os.environ.get(ENVIRONMENT_VARIABLE, "")
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ScriptError(
                f"{ENVIRONMENT_VARIABLE} is {module!r}, and there is no module {error.name!r} on the path; "
                "start upnext in the folder that has it, or unset the variable to run without a project."
            ) from error
        raise


def _settings(home: Path) -> dict[str, Any]:
    """Return the settings of the small project; its time zone is UTC, as without Django."""
    return {
        "BASE_DIR": home,
        # DEBUG and no URL is what starts the embedded server.
        "DEBUG": not os.environ.get(conf.ENVIRONMENT_URL),
        "SECRET_KEY": secrets.token_urlsafe(32),  # for this process alone: nothing here is signed for later
        "INSTALLED_APPS": ["upnext_django"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": home / _FOLDER / "history.sqlite3",
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                },
            }
        },
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "MEDIA_ROOT": home / _FOLDER / "media",
        "TIME_ZONE": "UTC",
        "USE_TZ": True,
        "UPNEXT": {"NAMESPACE": os.environ.get(conf.ENVIRONMENT_NAMESPACE) or "upnext"},
    }


def _make_tables(folder: Path) -> None:
    """Bring the database in ``folder`` up to date; processes that start together do it one by one."""
    from django.core.management import call_command

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        with _alone(folder):
            call_command("migrate", verbosity=0, interactive=False)
    except OSError as error:
        raise ScriptError(
            f"The history of scripts is kept in {folder}, which cannot be written ({error}); make it "
            f"writable, name another folder in the environment variable {ENVIRONMENT_HOME}, or set "
            f"{ENVIRONMENT_VARIABLE} to use a project's database."
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    with (folder / "tables.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
