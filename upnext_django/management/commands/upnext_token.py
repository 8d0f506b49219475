"""``python manage.py upnext_token``: tokens of the REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from upnext_django.management.operator import BY, told_errors
from upnext_django.models import ApiToken
from upnext_django.operations import tokens

__all__ = ["Command"]


class Command(BaseCommand):
    """Create, list and revoke tokens; a token is printed once, when it is made."""

    help = "Keep the tokens that programs call the REST API with. A token is shown once, when it is made."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|revoke")
        create = actions.add_parser("create", help="Make one and print it; it cannot be shown again.")
        create.add_argument("name", metavar="NAME", help="Who will use it, and what for.")
        create.add_argument("--user", required=True, help="The user that it acts for, by the name to log in.")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=tokens.SCOPES,
            help="Several may be given.",
        )
        create.add_argument("--days", type=int, help="After how many days it expires; never, if left out.")
        actions.add_parser("list", help="List all, without the tokens themselves.")
        revoke = actions.add_parser("revoke", help="Let one open nothing any more.")
        revoke.add_argument("prefix", metavar="PREFIX", help="The part between upn_ and the next underscore.")

    def handle(self, *args: Any, **options: Any) -> None:
        with told_errors():
            match options["action"]:
                case "create":
                    self._create(options)
                case "list":
                    self._list()
                case "revoke":
                    self._revoke(options["prefix"])

    def _create(self, options: dict[str, Any]) -> None:
        model = get_user_model()
        manager: Any = model._default_manager
        try:
            owner = manager.get_by_natural_key(options["user"])
        except model.DoesNotExist:
            raise CommandError(f"There is no user {options['user']!r}.") from None
        days = options["days"]
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError(f"--days {days} is out of range; give 1 to 36500, or leave it out.")
        row, text = tokens.create(
            options["name"],
            owner=owner,
            scopes=options["scope"],
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
            by=BY,
        )
        self.stderr.write(f"{row} for {owner}; keep it now, it is not shown again:")
        # Alone on stdout, so that a script can take it.
        self.stdout.write(text)

    def _list(self) -> None:
        found = list(tokens.listing())
        for token in found:
            self.stdout.write(
                f"{token.prefix}  {token.name}  for {token.owner_name}  {','.join(token.scopes)}"
                f"  {_state(token)}  last used {_moment(token.last_used_at)}"
            )
        if not found:
            self.stdout.write("No tokens.")

    def _revoke(self, prefix: str) -> None:
        if tokens.revoke(prefix, by=BY):
            self.stdout.write(f"{prefix} revoked.")
        else:
            self.stdout.write(f"{prefix} was revoked already.")


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return f"revoked {_moment(token.revoked_at)}"
    if token.expires_at is None:
        return "never expires"
    word = "expired" if token.expires_at <= timezone.now() else "expires"
    return f"{word} {_moment(token.expires_at)}"


def _moment(at: Any) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"
