"""Who looks at the admin, and what they see."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client

from tests.admin.forms import hidden_fields

__all__ = [
    "ACTIONS",
    "action",
    "answered",
    "confirmed",
    "is_page",
    "messages_of",
    "noted",
    "staff",
    "superuser",
]

#: The permissions that let somebody change something; nobody needs them to look.
ACTIONS = (
    "retry_job",
    "cancel_job",
    "delete_jobrecord",
    "replay_deadletter",
    "discard_deadletter",
    "pause_function",
    "run_function",
    "control_worker",
)


def staff(*codenames: str, name: str = "ada") -> Client:
    """Return the browser of somebody who may log in and has these permissions alone."""
    user = User.objects.create_user(name, is_staff=True)
    found = Permission.objects.filter(codename__in=codenames, content_type__app_label="upnext")
    assert {one.codename for one in found} == set(codenames)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def superuser() -> Client:
    """Return the browser of somebody who may do all; the same person each time."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    return client


def is_page(response: Any) -> bool:
    """Return whether a response is a page to read: no file, no redirect, no refusal."""
    return response.status_code == 200 and "text/html" in str(response.headers["content-type"])


def action(name: str, *keys: str, **fields: Any) -> dict[str, Any]:
    """Return what the form of a list posts for the action ``name`` on the rows ``keys``."""
    return {"action": name, "_selected_action": keys, "index": "0", "select_across": "0", **fields}


def confirmed(name: str, *keys: str, **fields: Any) -> dict[str, Any]:
    """Return what the page that asks once more posts."""
    return {
        "action": name,
        "_selected_action": keys,
        "select_across": "0",
        "confirmed": "yes",
        **fields,
    }


def answered(client: Client, url: str, asked: Any) -> Any:
    """Send the form of the page that asks once more, as a browser does."""
    return client.post(url, hidden_fields(asked))


def messages_of(response: Any) -> str:
    """Return what a response of the test client tells its user."""
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def noted() -> list[str]:
    """Return the admin's log of what was done, the oldest first."""
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
