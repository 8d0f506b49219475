"""The secrets that Workers ask for, put into the environment before anything is claimed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from upnext_django.core.masking import Mask
from upnext_django.core.names import variable_of
from upnext_django.declare import ports
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import EncryptionError, SecretNotFound

__all__ = ["put_secrets"]

logger = logging.getLogger("upnext.worker")


def put_secrets(workers: Sequence[Worker]) -> Mask | None:
    """Put every secret of ``workers`` into ``os.environ`` and return what masks them, None without any.

    The stored value replaces one that the environment has, with a warning: else a forgotten variable
    would outlive every change of the secret. Nothing is put unless all are there. Raises SecretNotFound,
    which names each missing one and who wants it, and EncryptionError for what cannot be decrypted.
    """
    wanted: dict[str, list[str]] = {}
    for worker in workers:
        for name in worker.options.secrets:
            wanted.setdefault(name, []).append(worker.name)
    if not wanted:
        return None
    reader = ports.secrets()
    if reader is None:
        raise EncryptionError(
            f"{_told(wanted)}, and there is no database to read secrets from. Run the Worker in a Django "
            "project with 'upnext_django' in INSTALLED_APPS."
        )
    try:
        values = reader.values(wanted)
    except EncryptionError as error:
        raise EncryptionError(f"{_told(wanted)}. {error}") from None
    missing = {name: names for name, names in wanted.items() if name not in values}
    if missing:
        commands = " and ".join(f"python manage.py upnext_secrets set {name}" for name in missing)
        raise SecretNotFound(f"{_told(missing)}, and nobody has set it. Run: {commands}", names=list(missing))
    for name, value in values.items():
        variable = variable_of(name)
        if os.environ.get(variable, value) != value:
            logger.warning("the secret %s replaces another value of %s in the environment", name, variable)
        os.environ[variable] = value
    return Mask(values.values())


def _told(wanted: dict[str, list[str]]) -> str:
    return "; ".join(
        f"{'Worker' if len(workers) == 1 else 'Workers'} {', '.join(map(repr, workers))} "
        f"{'wants' if len(workers) == 1 else 'want'} the secret {name!r}"
        for name, workers in wanted.items()
    )
