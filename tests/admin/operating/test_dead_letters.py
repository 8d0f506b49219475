"""Dead letters in the admin: browse, replay, edit and replay, discard; one, or many."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.operating.people import ACTIONS, action, answered, confirmed, messages_of, noted, staff
from tests.admin.rows import a_job, an_attempt, job_id
from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.core.job import Envelope, SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.models import DeadLetterRecord, FunctionRecord

LETTERS = "/admin/upnext/deadletterrecord/"
SEE = "view_deadletterrecord"


def a_letter(key: str, **columns: Any) -> DeadLetterRecord:
    defaults: dict[str, Any] = {
        "function": FUNCTION,
        "function_name": "send",
        "queue": "mail",
        "failed_at": timezone.now(),
        "attempts": 2,
        "crashes": 0,
        "error_type": "ValueError",
        "error": "ValueError: no",
    }
    return DeadLetterRecord.objects.create(job_id=key, **{**defaults, **columns})


def failed(lab: Lab, **columns: Any) -> str:
    """Lead a job to its failure, in Redis and in the rows."""
    envelope = msgspec.json.encode(
        Envelope(function=FUNCTION, function_name="send", args=msgspec.Raw(b'[[7],{"note":"hi"}]'))
    )
    claimed = lab.claim_one(envelope=envelope)
    data = SettleData(attempt=1, started_ms=1, error_type="ValueError", error="ValueError: no")
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED, msgspec.json.encode(data), ttl_ms=3_600_000)
    job = a_job(
        1,
        id=claimed.id,
        root_id=claimed.id,
        function=FUNCTION,
        function_name="send",
        queue="mail",
        status="failed",
        arguments={"args": [7], "kwargs": {"note": "hi"}},
    )
    an_attempt(job, 1, outcome="failed", error="ValueError: no", traceback="Traceback of send")
    a_letter(claimed.id, **columns)
    return claimed.id


def replays(lab: Lab) -> int:
    """Return how many jobs wait to run: the replays, since what failed waits no more."""
    return int(lab.run(b"XLEN", lab.keys.stream(f"stream:{FUNCTION}:1")))


def discarded(key: str) -> bool:
    with get_broker().clients.sync() as link:
        return bool(link.execute([b"HEXISTS", get_broker().keys("mail").job(key), b"discarded"]))


def page(client: Client, url: str, **query: Any) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
def test_open_ones_are_shown_until_others_are_asked_for(admin_client: Client):
    a_letter(job_id(1), error="first: open")
    a_letter(job_id(2), error="second: replayed", replayed_as=job_id(9))
    a_letter(job_id(3), error="third: discarded", discarded_at=timezone.now())

    def shown(**query: str) -> list[str]:
        html = page(admin_client, LETTERS, **query)
        return [word for word in ("first", "second", "third") if f"{word}: " in html]

    assert shown() == shown(decision="nonsense") == ["first"]
    assert shown(decision="replayed") == ["second"]
    assert shown(decision="discarded") == ["third"]
    assert shown(decision="all") == ["first", "second", "third"]


@pytest.mark.django_db
def test_they_are_filtered_by_the_class_of_their_error(admin_client: Client):
    a_letter(job_id(1), error="of a value", error_type="ValueError")
    a_letter(job_id(2), error="of a key", error_type="KeyError")

    html = page(admin_client, LETTERS, error_type="KeyError")

    assert "of a key" in html
    assert "of a value" not in html
    assert "?error_type=ValueError" in html


@pytest.mark.django_db
def test_the_list_costs_the_same_for_one_and_for_fifty(admin_client: Client):
    a_letter(job_id(1))
    page(admin_client, LETTERS)
    with CaptureQueriesContext(connection) as for_one:
        page(admin_client, LETTERS)
    for number in range(2, 51):
        a_letter(job_id(number))

    with CaptureQueriesContext(connection) as for_fifty:
        page(admin_client, LETTERS)

    assert len(for_fifty) == len(for_one)


def test_its_page_shows_attempts_tracebacks_and_what_can_be_done(lab: Lab, admin_client: Client):
    key = failed(lab)

    html = page(admin_client, f"{LETTERS}{key}/change/")

    for text in ("Traceback of send", "&quot;note&quot;: &quot;hi&quot;", "Edit and replay", "Discard"):
        assert text in html


def test_a_decided_one_offers_nothing(lab: Lab, admin_client: Client):
    key = failed(lab, discarded_at=timezone.now())

    html = page(admin_client, f"{LETTERS}{key}/change/")

    assert "/replay/" not in html
    assert "/discard/" not in html


def test_a_replay_makes_a_new_job_and_is_noted(lab: Lab, admin_client: Client):
    key = failed(lab)

    response = admin_client.post(f"{LETTERS}{key}/replay/")

    assert response["Location"] == f"{LETTERS}{key}/change/"
    assert "A new job was made" in messages_of(response)
    assert replays(lab) == 1
    assert noted()[0].startswith("Replayed as ")


def test_a_second_replay_is_refused_with_a_reason(lab: Lab, admin_client: Client):
    key = failed(lab)
    admin_client.post(f"{LETTERS}{key}/replay/")

    response = admin_client.post(f"{LETTERS}{key}/replay/")

    assert "replayed as" in messages_of(response)
    assert replays(lab) == 1


def test_edited_arguments_are_those_of_the_new_job(lab: Lab, admin_client: Client):
    key = failed(lab)
    FunctionRecord.objects.create(
        function=FUNCTION,
        definition={
            "parameters": [
                {"name": "order", "kind": "either", "required": True},
                {"name": "note", "kind": "keyword", "required": False},
            ]
        },
        seen_at=timezone.now(),
    )
    assert "&quot;note&quot;: &quot;hi&quot;" in page(admin_client, f"{LETTERS}{key}/edit/")

    wrong = admin_client.post(f"{LETTERS}{key}/edit/", {"args": "[", "kwargs": "{}"})
    misfit = admin_client.post(f"{LETTERS}{key}/edit/", {"args": "[]", "kwargs": "{}"})
    right = admin_client.post(f"{LETTERS}{key}/edit/", {"args": "[8]", "kwargs": "{}"})

    assert "It must be a JSON list" in wrong.content.decode()
    assert "missing a required argument" in misfit.content.decode()
    assert right.status_code == 302
    (claimed,) = lab.claim().jobs
    assert json.loads(bytes(msgspec.json.decode(claimed.envelope, type=Envelope).args)) == [[8], {}]


def test_a_discard_asks_first(lab: Lab, admin_client: Client):
    key = failed(lab)

    asked = admin_client.post(f"{LETTERS}{key}/discard/")
    assert "can never be replayed" in asked.content.decode()
    assert not discarded(key)

    response = admin_client.post(f"{LETTERS}{key}/discard/", {"confirmed": "yes"})
    assert "was discarded" in messages_of(response)
    assert discarded(key)
    assert noted() == ["Discarded."]


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_a_get_changes_nothing(lab: Lab, admin_client: Client, what: str):
    key = failed(lab)

    assert admin_client.get(f"{LETTERS}{key}/{what}/", {"confirmed": "yes"}).status_code == 405

    assert replays(lab) == 0
    assert not discarded(key)


@pytest.mark.parametrize("what", ["replay", "discard", "edit"])
def test_one_that_is_not_there_is_not_found(lab: Lab, admin_client: Client, what: str):
    assert admin_client.post(f"{LETTERS}{job_id(1)}/{what}/", {"confirmed": "yes"}).status_code == 404


def test_a_forged_request_without_the_token_is_refused(lab: Lab, admin_user: User):
    key = failed(lab)
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(f"{LETTERS}{key}/replay/").status_code == 403
    assert replays(lab) == 0


def test_each_action_needs_its_own_permission(lab: Lab):
    key = failed(lab)
    others = {one for one in ACTIONS if one not in ("replay_deadletter", "discard_deadletter")}
    client = staff(SEE, "view_payload", *others)

    html = page(client, f"{LETTERS}{key}/change/")
    answers = [
        client.post(f"{LETTERS}{key}/{what}/", {"confirmed": "yes"}).status_code
        for what in ("replay", "edit", "discard")
    ]
    for name in ("replay_selected", "discard_selected"):
        client.post(LETTERS, action(name, key))
        client.post(LETTERS, confirmed(name, key))

    assert "/replay/" not in html
    assert "/discard/" not in html
    assert answers == [403, 403, 403]
    assert replays(lab) == 0
    assert not discarded(key)


def test_who_may_replay_may_not_edit_without_seeing_payloads(lab: Lab):
    key = failed(lab)
    client = staff(SEE, "replay_deadletter")

    html = page(client, f"{LETTERS}{key}/change/")

    assert "/edit/" not in html
    assert "&quot;note&quot;" not in html
    assert client.get(f"{LETTERS}{key}/edit/").status_code == 403
    assert client.post(f"{LETTERS}{key}/replay/").status_code == 302
    assert replays(lab) == 1


def test_a_permission_to_act_shows_nothing_to_who_may_not_look(lab: Lab):
    key = failed(lab)
    client = staff("replay_deadletter", "discard_deadletter", "view_payload")

    assert client.get(f"{LETTERS}{key}/change/").status_code == 403
    assert client.post(f"{LETTERS}{key}/replay/").status_code == 403
    assert client.post(LETTERS, confirmed("replay_selected", key)).status_code == 403
    assert replays(lab) == 0


def test_an_anonymous_visitor_is_sent_to_the_login(lab: Lab, client: Client):
    key = failed(lab)

    for url in (LETTERS, f"{LETTERS}{key}/replay/", f"{LETTERS}{key}/discard/"):
        assert "/login/" in client.post(url, {"confirmed": "yes"})["Location"]
    assert replays(lab) == 0


# -- many


def test_the_selected_are_replayed_after_a_question(lab: Lab, admin_client: Client):
    keys = [failed(lab) for _ in range(3)]

    asked = admin_client.post(LETTERS, action("replay_selected", *keys[:2]))
    assert "It is about 2 jobs." in asked.content.decode()
    assert replays(lab) == 0

    done = admin_client.post(LETTERS, confirmed("replay_selected", *keys[:2]))
    assert "2 jobs replayed." in messages_of(done)
    assert replays(lab) == 2
    assert len(noted()) == 2


def test_the_form_of_the_question_does_what_it_says(lab: Lab, admin_client: Client):
    """The fields are taken from the page, as a browser does."""
    keys = [failed(lab) for _ in range(2)]
    asked = admin_client.post(LETTERS, action("discard_selected", *keys))

    done = answered(admin_client, LETTERS, asked)

    assert "2 jobs discarded." in messages_of(done)
    assert all(discarded(key) for key in keys)


def test_all_that_match_are_only_the_open_ones_of_the_filter(lab: Lab, admin_client: Client):
    keys = [failed(lab) for _ in range(3)]
    DeadLetterRecord.objects.filter(pk=keys[2]).update(error_type="KeyError")
    decided = failed(lab, discarded_at=timezone.now())
    url = f"{LETTERS}?error_type=ValueError&decision=all"

    asked = admin_client.post(url, action("replay_selected", keys[0], select_across="1"))
    assert "It is about 2 jobs." in asked.content.decode()
    assert "error type: ValueError" in asked.content.decode()
    answered(admin_client, url, asked)

    assert replays(lab) == 2
    assert not discarded(decided)


def test_what_fails_after_the_question_was_asked_is_left_alone(lab: Lab, admin_client: Client):
    first = failed(lab)
    asked = admin_client.post(LETTERS, action("discard_selected", first, select_across="1"))
    later = failed(lab)

    answered(admin_client, LETTERS, asked)

    assert discarded(first)
    assert not discarded(later)


def test_what_is_refused_does_not_stop_the_rest(lab: Lab, admin_client: Client):
    good, gone = failed(lab), job_id(5)
    a_letter(gone)

    done = admin_client.post(LETTERS, confirmed("replay_selected", good, gone))

    assert "1 job replayed. 1 refused:" in messages_of(done)
    assert replays(lab) == 1


@pytest.mark.parametrize("across", ["0", "1"])
def test_nothing_to_do_is_said(lab: Lab, admin_client: Client, across: str):
    done = admin_client.post(
        LETTERS, confirmed("replay_selected", job_id(1), select_across=across), follow=False
    )

    assert done.status_code == 302
    assert "nothing was changed" in messages_of(done)
