"""What an operator does by command, on a running worker and its history."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

import upnext_django as upnext
from tests.django import tasks
from tests.waiting import wait_until
from upnext_django.models import DeadLetterRecord, JobRecord
from upnext_django.operations import dead_letters

DIVIDE = "tests.django.tasks.divide"

pytestmark = pytest.mark.usefixtures("worker", "rows")


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def failed(by: object = 0) -> str:
    """Have a job fail and return its id as soon as it is a dead letter."""
    job_id = tasks.divide.submit(8, by=by).job_id  # type: ignore[arg-type]
    wait_until(DeadLetterRecord.objects.filter(pk=job_id).first, "it is a dead letter")
    return job_id


def test_a_failed_job_is_edited_replayed_and_completes_below_the_same_root():
    root = tasks.above.submit()
    old: str = root.result_sync(timeout=10).value
    wait_until(DeadLetterRecord.objects.filter(pk=old).first, "the child is a dead letter")

    said = run("upnext_dlq", "replay", old, "--kwargs", '{"by": 2}')

    new = said.split()[-1]
    row = wait_until(JobRecord.objects.filter(pk=new, status="complete").first, "the replay is complete")
    assert isinstance(row, JobRecord)
    assert row.result == 4.0
    assert (row.replay_of, row.parent_id, row.root_id) == (old, root.job_id, root.job_id)
    assert upnext.get_job(new).replay_of == old
    assert dead_letters.letter(old).replayed_as == new
    assert JobRecord.objects.get(pk=old).status == "failed"


def test_list_and_show_tell_what_happened():
    job_id = failed()

    listed = run("upnext_dlq", "list", "--function", "divide", "--error-type", "ZeroDivisionError")
    shown = run("upnext_dlq", "show", job_id)

    assert f"{DIVIDE}  ZeroDivisionError: division by zero" in listed
    assert job_id in listed
    assert "return x / by" in shown
    assert json.dumps({"args": [8], "kwargs": {"by": 0}}) in shown
    assert "attempt 1  failed" in shown


def test_list_shows_no_more_than_asked_for_and_says_so():
    failed()
    failed()

    said = run("upnext_dlq", "list", "--limit", "1").splitlines()

    assert len(said) == 2
    assert said[1] == "There are more; see them with --limit 10."
    assert run("upnext_dlq", "list", "--error-type", "NoSuchError") == "No dead letters.\n"


def test_discarded_ones_are_listed_no_more():
    job_id = failed()

    assert run("upnext_dlq", "discard", "--function", DIVIDE).endswith("discarded.\n")

    wait_until(lambda: job_id not in run("upnext_dlq", "list"), "the list is without it")
    assert "discarded 2" in run("upnext_dlq", "show", job_id)


def test_what_is_refused_is_told_and_the_rest_is_done():
    first, second = failed(), failed()
    run("upnext_dlq", "discard", first)
    err = StringIO()

    with pytest.raises(CommandError, match="1 refused, 1 replayed") as caught:
        call_command("upnext_dlq", "replay", first, second, stdout=StringIO(), stderr=err)

    assert caught.value.returncode == 1
    assert f"{first} is discarded" in err.getvalue()


def test_a_wrong_edit_sends_nothing_and_names_the_argument():
    job_id = failed()

    with pytest.raises(CommandError, match="unexpected keyword argument 'divisor'"):
        run("upnext_dlq", "replay", job_id, "--kwargs", '{"by": 2, "divisor": 2}')

    assert dead_letters.letter(job_id).replayed_as is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay"], "IDs, or --function and --error-type, or --all"),
        (["discard", "--all", "--function", "f"], "IDs, or --function and --error-type, or --all"),
        (["replay", "--all", "--args", "[1]"], "edit one job"),
        (["replay", "x", "--args", "{}"], "no JSON list"),
        (["replay", "x", "--kwargs", "{"], "no JSON"),
        (["list", "--limit", "0"], "at least 1"),
        (["show", "no-such-id"], "neither in Redis nor in the history"),
    ],
    ids=" ".join,
)
def test_a_wrong_use_says_what_would_be_right(words: list[str], said: str):
    with pytest.raises(CommandError, match=said):
        run("upnext_dlq", *words)


@pytest.mark.parametrize("what", [[DIVIDE], ["--queue", "django-tests"]], ids=" ".join)
def test_what_is_paused_waits_until_it_is_resumed(what: list[str]):
    said = run("upnext_pause", *what)
    again = run("upnext_pause", *what)
    future = tasks.divide.submit(8, by=2)
    shown = run("upnext_pause")
    with pytest.raises(TimeoutError):
        future.result_sync(timeout=0.3)
    waiting = future.status_sync()

    resumed = run("upnext_resume", *what)

    assert future.result_sync(timeout=10).value == 4.0
    assert waiting == "queued"
    assert said.endswith(f"{what[-1]} paused.\n")
    assert again.endswith("was paused already.\n")
    assert resumed.endswith("resumed.\n")
    assert f"{what[-1]} is paused." in shown
    assert run("upnext_resume") == "Nothing is paused.\n"


@pytest.mark.parametrize("what", [["tests.django.tasks.divid"], ["--queue", "nowhere"]], ids=" ".join)
def test_an_unknown_name_is_refused(what: list[str]):
    with pytest.raises(CommandError, match=rf"{what[-1]}'.*django"):
        run("upnext_pause", *what)
