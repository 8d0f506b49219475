"""What the forms of a page might send, whoever sends it."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from tests.broker.lab import QUEUE
from upnext_django.models import DeadLetterRecord, JobRecord

__all__ = ["actions", "harmful", "hidden_fields", "sent"]


def harmful(path: str) -> list[dict[str, Any]]:
    """Return what forms of a page might send: its actions on all rows, and the answer to a question."""
    posts: list[dict[str, Any]] = [
        {"confirmed": "yes", "post": "yes", "args": "[8]", "kwargs": "{}", "queue": QUEUE}
    ]
    if path.endswith(("/jobrecord/", "/deadletterrecord/", "/functionrecord/", "/workerrecord/", "/secret/")):
        rows = [*JobRecord.objects.values_list("pk", flat=True), "stripe_key", "web1-1"]
        rows += DeadLetterRecord.objects.values_list("pk", flat=True)
        chosen = {"_selected_action": rows, "index": "0", "select_across": "1"}
        posts += [{**posts[0], **chosen, "action": action} for action in actions(path)]
    return posts


def sent(client: Client, path: str, data: dict[str, Any]) -> Any:
    """Send a form, and the form of the page that asks once more if there is one; return where it leads to."""
    response = client.post(path, data, follow=True)
    question = hidden_fields(response)
    return client.post(path, question, follow=True) if "selection" in question else response


def hidden_fields(response: Any) -> dict[str, list[str]]:
    """Return the fields of a page that nobody sees, as a browser sends them."""
    fields: dict[str, list[str]] = {}
    html = response.content.decode()
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html):
        fields.setdefault(name, []).append(value)
    return fields


def actions(path: str) -> list[str]:
    """Return the names of the actions that a superuser is offered on a list."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="chooser", is_superuser=True, is_staff=True)[0])
    chooser = re.search(r'<select name="action".*?</select>', client.get(path).content.decode(), re.DOTALL)
    return [] if chooser is None else re.findall(r'<option value="(\w+)"', chooser[0])
