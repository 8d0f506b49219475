"""``python manage.py upnext_secrets``: what workers find in their environment."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upnext_django.core.names import check_secret_name
from upnext_django.declare.registry import registry
from upnext_django.management.operator import BY, told_errors
from upnext_django.operations import secrets

__all__ = ["Command"]


class Command(BaseCommand):
    """List, set, delete and re-encrypt secrets; no value is ever printed."""

    help = (
        "Keep secrets, encrypted in the database, for the Workers that ask for them. No value is ever shown."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|set|delete|rotate")
        actions.add_parser("list", help="List names, times and who asks for them; those missing too.")
        put = actions.add_parser("set", help="Set one. Its value is asked for, or read from stdin.")
        put.add_argument("name", metavar="NAME")
        deleted = actions.add_parser("delete", help="Delete one.")
        deleted.add_argument("name", metavar="NAME")
        actions.add_parser("rotate", help="Encrypt all of them with the first of SECRETS_KEYS.")

    def handle(self, *args: Any, **options: Any) -> None:
        with told_errors():
            match options["action"]:
                case "list":
                    self._list()
                case "set":
                    self._set(options["name"])
                case "delete":
                    self._delete(options["name"])
                case "rotate":
                    self._rotate()

    def _list(self) -> None:
        wanted = _wanted()
        found = secrets.listing()
        for secret in found:
            workers = wanted.pop(secret.name, [])
            self.stdout.write(
                f"{secret.name}  {secret.variable}  changed {secret.updated_at:%Y-%m-%d %H:%M:%S%z}"
                f"{f' by {secret.updated_by}' if secret.updated_by else ''}"
                f"{f'  for {_named(workers)}' if workers else ''}"
            )
        for name, workers in sorted(wanted.items()):
            self.stdout.write(f"{name}  MISSING: {_named(workers)} does not start without it")
        if not found and not wanted:
            self.stdout.write("No secrets.")

    def _set(self, name: str) -> None:
        name = check_secret_name(name)
        created = secrets.put(name, _read_value(name), by=BY)
        self.stdout.write(
            f"{name} {'set' if created else 'changed'}."
            f"{'' if created else ' Workers that run keep the old value until they start again.'}"
        )

    def _delete(self, name: str) -> None:
        secrets.delete(name, by=BY)
        self.stdout.write(f"{name.lower()} deleted.")
        workers = _wanted().get(name.lower())
        if workers:
            self.stderr.write(self.style.WARNING(f"{_named(workers)} asks for it and will not start again."))

    def _rotate(self) -> None:
        done = secrets.rotate(by=BY)
        self.stdout.write(f"{done.rotated} encrypted with the first key, {done.unchanged} were already.")
        if done.unreadable:
            raise CommandError(
                f"No key in UPNEXT['SECRETS_KEYS'] opens: {', '.join(done.unreadable)}. Put the key they "
                "were encrypted with at the end of the list, or set them anew."
            )


def _read_value(name: str) -> str:
    """Return what is typed without an echo, or all of stdin without its last line break."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name} (it is not shown): ")
    try:
        value = sys.stdin.read()
    except UnicodeDecodeError:
        raise CommandError(f"What stdin has for {name} is no text; encode it first, with base64.") from None
    return value.removesuffix("\n").removesuffix("\r")


def _wanted() -> dict[str, list[str]]:
    """Return secret -> the Workers of this project that ask for it."""
    wanted: dict[str, list[str]] = {}
    for worker in registry.workers:
        for name in worker.options.secrets:
            wanted.setdefault(name, []).append(worker.name)
    return wanted


def _named(workers: list[str]) -> str:
    return f"Worker {' and '.join(workers)}"
