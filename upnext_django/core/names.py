"""Which names queues, workers, namespaces and functions may have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from upnext_django.exceptions import DefinitionError

__all__ = [
    "check_function_name",
    "check_name",
    "check_secret_name",
    "identity_of",
    "importable_name",
    "variable_of",
]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# A name becomes part of Redis keys: ":" parts them, "{}" choose the cluster slot.
_FORBIDDEN_IN_IDENTITY = re.compile(r"[\s:{}\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_IDENTITY = 255


def check_name(kind: str, value: str) -> str:
    """Return ``value`` if it may name a ``kind`` ("queue", "worker", "event", "namespace").

    Raises DefinitionError otherwise.
    """
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        article = "an" if kind[0] in "aeiou" else "a"
        raise DefinitionError(
            f"{value!r} cannot name {article} {kind}: use 1 to 64 letters, digits, dots, underscores "
            'and hyphens (A-Z a-z 0-9 . _ -), like "emails" or "reports-eu".'
        )
    return value


def check_secret_name(value: str) -> str:
    """Return the name of a secret in lower case; raises DefinitionError if it cannot name one.

    In upper case it is the name of an environment variable (POSIX: letters, digits and underscores, the
    first no digit), so upper and lower case are one name.
    """
    if not isinstance(value, str) or _SECRET_NAME.fullmatch(value) is None:
        raise DefinitionError(
            f"{value!r} cannot name a secret: use 1 to 64 letters, digits and underscores, the first no "
            'digit, like "stripe_key"; workers find it as STRIPE_KEY in their environment.'
        )
    return value.lower()


def variable_of(secret: str) -> str:
    """Return the environment variable that has the secret of that name."""
    return secret.upper()


def check_function_name(value: str) -> str:
    """Return ``value`` if it may be a function's identity, ``"shop.tasks.send"``.

    Raises DefinitionError for whitespace, control characters, ``: { }`` and more than 255 characters.
    """
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= _MAX_IDENTITY
        or _FORBIDDEN_IN_IDENTITY.search(value)
    ):
        raise DefinitionError(
            f"{value!r} cannot identify a function: use 1 to {_MAX_IDENTITY} characters without "
            "whitespace, colons, braces and control characters; move or rename the function."
        )
    return value


def identity_of(func: Callable[..., Any]) -> str:
    """Return ``"{module}.{qualname}"``, what jobs call ``func`` by; ``__main__`` stays as it is.

    Raises DefinitionError for a callable without a name, such as ``functools.partial``.
    """
    module, qualname = getattr(func, "__module__", None), getattr(func, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise DefinitionError(
            f"{func!r} has no name of its own, so a worker could not find it; "
            "write a function with def that calls it and make that the task."
        )
    return f"{module}.{qualname}"


def importable_name(file: Path) -> str:
    """Return the name of the module that ``file`` is: with the packages, the folders with ``__init__.py``.

    ``service.py`` is "service", ``shop/jobs.py`` of the package shop "shop.jobs", and ``__main__.py`` is its
    package, as ``python -m`` calls it.
    """
    file = file.resolve()
    parts = [] if file.stem in ("__main__", "__init__") else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or file.stem
