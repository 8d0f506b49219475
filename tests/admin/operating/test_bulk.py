"""Actions on more than a browser would wait for: asked for here, done by a worker, watched and stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os.path import commonprefix
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.admin.operating.people import action, answered, messages_of, noted, staff
from tests.admin.operating.test_dead_letters import failed
from tests.admin.operating.test_jobs import EVER, SEE, status, waiting
from tests.admin.rows import a_function, a_job
from tests.broker.lab import FUNCTION, Lab
from upnext_django.admin import many
from upnext_django.connection import get_broker
from upnext_django.models import BulkAction, JobRecord
from upnext_django.operations.bulk import begin, run
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.service import BulkService
from upnext_django.operations.bulk.verb import BulkVerb


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "AT_ONCE", 2)


@pytest.fixture
def worker(lab: Lab) -> Iterator[BulkService]:
    """Give a service that holds the lease of the namespace, as one of a worker does."""
    service = BulkService(get_broker())
    assert service.take_lease("a worker", 60_000)
    yield service
    service.drop_lease("a worker")


def page(bulk: BulkAction, what: str = "change") -> str:
    return reverse(f"admin:upnext_bulkaction_{what}", args=[bulk.pk])


def finish() -> None:
    """Do what a worker would."""
    while open_actions := run.open_actions():
        for pk in open_actions:
            run.run_chunk(pk)


def asked_for(client: Client, name: str = "cancel_selected", url: str = EVER) -> Any:
    first = JobRecord.objects.values_list("pk", flat=True)[0]
    return client.post(url, action(name, first, select_across="1"))


def test_more_than_a_few_are_done_in_the_background(lab: Lab, admin_client: Client, worker: BulkService):
    keys = [waiting(lab) for _ in range(4)]
    a_job(7)

    asked = asked_for(admin_client)
    html = asked.content.decode()
    assert "It is about 4 jobs." in html
    assert "gone through by a worker" in html
    assert "No worker is running" not in html

    done = answered(admin_client, EVER, asked)
    bulk = BulkAction.objects.get()
    assert done.headers["location"] == page(bulk)
    assert {status(key) for key in keys} == {"queued"}

    finish()
    shown = admin_client.get(page(bulk)).content.decode()
    assert "4 of 4 jobs are dealt with." in shown
    assert {status(key) for key in keys} == {"cancelled"}


def test_without_a_worker_question_and_page_say_so(lab: Lab, admin_client: Client):
    for _ in range(3):
        waiting(lab)

    asked = asked_for(admin_client)
    answered(admin_client, EVER, asked)

    assert "No worker is running" in asked.content.decode()
    assert "No worker is running" in admin_client.get(page(BulkAction.objects.get())).content.decode()


def test_the_question_says_which_and_the_filters_keep_their_meaning(lab: Lab, admin_client: Client):
    a_function(FUNCTION, queue="mail")
    keys = [waiting(lab) for _ in range(4)]
    JobRecord.objects.filter(pk=keys[0]).update(queue="other")
    url = f"{EVER[: -len('?when=all')]}?when=1h&queue=mail&status__exact=queued&priority__lt=5"

    asked = asked_for(admin_client, url=url)
    html = asked.content.decode()
    for words in ("submitted since", "queue: mail", "status: queued", "priority__lt: 5"):
        assert words in html
    # An hour later they are older than an hour, and those are asked about all the same.
    answered(admin_client, url, asked)
    bulk = BulkAction.objects.get()
    assert [one for clause in bulk.clauses for one in clause if "created_at__gte" in one]
    finish()

    assert [status(key) for key in keys] == ["queued", "cancelled", "cancelled", "cancelled"]


@pytest.mark.parametrize("term", ["mail-key", "kwargs.order:7", "send", "01a"])
def test_a_search_keeps_its_meaning(lab: Lab, admin_client: Client, term: str):
    keys = [waiting(lab) for _ in range(4)]
    a_function(FUNCTION, queue="mail")
    chosen = JobRecord.objects.filter(pk__in=keys[:3])
    chosen.update(idempotency_key="mail-key", arguments={"args": [], "kwargs": {"order": 7}})
    start = commonprefix(keys)[:8]  # noqa: RUF071  # ids are no paths
    a_job(1, id="f" * len(start) + keys[0][len(start) :], function="other.function", status="queued")
    url = f"{EVER}&q={start if term == '01a' else term}"
    expected = admin_client.get(url).context["cl"].result_count
    assert expected >= 3

    answered(admin_client, url, asked_for(admin_client, url=url))
    finish()

    assert BulkAction.objects.get().total == expected


def test_what_was_not_asked_is_asked_again(lab: Lab, admin_client: Client):
    keys = [waiting(lab) for _ in range(4)]
    asked = asked_for(admin_client)
    stolen = staff(SEE, "cancel_job", name="eve")

    for client, text in ((admin_client, ""), (admin_client, "a:b:c"), (stolen, None)):
        fields = action("cancel_selected", keys[0], select_across="1", confirmed="yes")
        if text is not None:
            fields["selection"] = text
            response = client.post(EVER, fields)
        else:
            response = answered(client, EVER, asked)
        assert "It is about 4 jobs." in response.content.decode()

    assert not BulkAction.objects.exists()


def test_a_question_about_one_verb_is_no_answer_to_another(lab: Lab, admin_client: Client):
    for _ in range(3):
        waiting(lab)
    asked = asked_for(admin_client)
    asked.content = asked.content.replace(b'value="cancel_selected"', b'value="delete_rows"')

    answered(admin_client, EVER, asked)

    assert not BulkAction.objects.exists()


def test_a_group_of_failures_is_retried_in_the_background(lab: Lab, admin_client: Client):
    keys = [failed(lab) for _ in range(3)]
    url = reverse("admin:upnext_failure_retry", args=["none"])

    done = answered(admin_client, url, admin_client.get(url))
    finish()

    bulk = BulkAction.objects.get()
    assert done.headers["location"] == page(bulk)
    assert (bulk.verb, bulk.done) == ("replay", len(keys))


@pytest.mark.parametrize(("name", "verb"), [("tree_cancel", "cancel"), ("tree_retry", "retry")])
def test_a_big_tree_is_dealt_with_in_the_background(lab: Lab, admin_client: Client, name: str, verb: str):
    make = waiting if verb == "cancel" else failed
    top, *below = sorted(make(lab) for _ in range(4))
    other = waiting(lab)
    JobRecord.objects.filter(pk__in=below).update(parent_id=top, root_id=top)
    JobRecord.objects.filter(pk=top).update(root_id=top)
    url = reverse(f"admin:upnext_jobrecord_{name}", args=[below[0]])

    answered(admin_client, url, admin_client.get(url))
    finish()

    bulk = BulkAction.objects.get()
    assert (bulk.verb, bulk.done, bulk.refused) == (verb, 4, 0)
    assert status(other) == "queued"


# -- the page


@pytest.fixture
def bulk(lab: Lab, admin_user: User) -> BulkAction:
    for _ in range(3):
        waiting(lab)
    return begin.start(BulkVerb.CANCEL, Selection(words=["queue: mail"]), by=admin_user)


def test_it_is_stopped_and_goes_on(lab: Lab, admin_client: Client, bulk: BulkAction):
    stopped = admin_client.post(page(bulk, "stop"))
    assert "It ends" in messages_of(stopped)
    bulk.refresh_from_db()
    assert bulk.status == "stopped"

    admin_client.post(page(bulk, "go_on"))
    finish()

    bulk.refresh_from_db()
    assert (bulk.status, bulk.done) == ("done", 3)
    assert [note for note in noted() if note != "Cancelled."] == [
        "Asked for.",
        "Stopped: 0 cancelled, 0 refused.",
        "Taken up again.",
        "Done: 3 cancelled, 0 refused.",
    ]


def test_what_ended_is_not_stopped(lab: Lab, admin_client: Client, bulk: BulkAction):
    finish()

    assert "It had ended already." in messages_of(admin_client.post(page(bulk, "stop")))
    assert "is done; only one that is" in messages_of(admin_client.post(page(bulk, "go_on")))


def test_the_page_shows_how_far_it_is_and_what_was_refused(lab: Lab, admin_client: Client, bulk: BulkAction):
    BulkAction.objects.update(
        status="running",
        total=10,
        done=3,
        refused=1,
        reasons=["Job x is complete."],
        started_at=bulk.asked_at,
    )

    html = admin_client.get(page(bulk)).content.decode()

    for words in ("4 of 10 jobs are dealt with.", "40 %", "Job x is complete.", "queue: mail", "admin"):
        assert words in html


def test_a_page_without_redis_says_what_it_waits_for(
    lab: Lab, admin_client: Client, bulk: BulkAction, settings: Any
):
    settings.UPNEXT = {"REDIS_URL": "redis://127.0.0.1:1/0"}

    html = admin_client.get(page(bulk)).content.decode()

    assert "It waits for Redis." in html
    assert 'action="{}"'.format(page(bulk, "stop")) in html


def test_who_may_not_do_it_to_one_may_not_stop_it(lab: Lab, bulk: BulkAction):
    viewer = staff("view_bulkaction", "view_jobrecord", name="viewer")

    html = viewer.get(page(bulk)).content.decode()

    assert "queue: mail" in html
    assert page(bulk, "stop") not in html
    assert viewer.post(page(bulk, "stop")).status_code == 403
    assert viewer.post(page(bulk, "go_on")).status_code == 403


def test_an_operator_sees_only_what_he_asked_for(lab: Lab, bulk: BulkAction):
    operator = staff(SEE, "cancel_job", name="operator")
    own = begin.start(BulkVerb.CANCEL, Selection(), by=User.objects.get(username="operator"))

    listed = operator.get(reverse("admin:upnext_bulkaction_changelist")).content.decode()

    assert page(own) in listed
    assert page(bulk) not in listed
    assert operator.get(page(bulk)).status_code == 404
    assert operator.post(page(bulk, "stop")).status_code == 404
    assert operator.get(page(own)).status_code == 200


def test_nobody_goes_on_with_the_rights_of_another(lab: Lab, bulk: BulkAction):
    operator = staff(SEE, "cancel_job", "view_bulkaction", name="operator")
    assert operator.post(page(bulk, "stop")).status_code == 302

    assert operator.post(page(bulk, "go_on")).status_code == 403


@pytest.mark.parametrize(
    ("name", "needed"),
    [("retry_selected", "retry_job"), ("cancel_selected", "cancel_job"), ("delete_rows", "delete_jobrecord")],
)
def test_each_action_needs_its_own_permission(lab: Lab, name: str, needed: str):
    for _ in range(3):
        failed(lab)
    for number in range(3):
        waiting(lab)
        a_job(number)
    others = [one for one in ("retry_job", "cancel_job", "delete_jobrecord") if one != needed]
    unable, able = staff(SEE, *others, name="unable"), staff(SEE, needed, name="able")

    for client in (unable, able):
        asked = asked_for(client, name)
        answered(client, EVER, asked)

    assert [(one.by, one.verb) for one in BulkAction.objects.all()] == [("able", needed.partition("_")[0])]


def test_question_and_answer_cost_no_query_for_each_row(
    lab: Lab, admin_client: Client, django_assert_max_num_queries: Callable[..., Any]
):
    for _ in range(60):
        waiting(lab)

    with django_assert_max_num_queries(30):
        asked = asked_for(admin_client)
    with django_assert_max_num_queries(30):
        answered(admin_client, EVER, asked)
