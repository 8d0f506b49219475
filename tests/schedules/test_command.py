"""``manage.py upnext_schedule``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.broker.lab import Lab
from tests.schedules import tasks
from tests.schedules.ticks import envelopes_of
from upnext_django.declare.registry import registry
from upnext_django.operations import schedules

NOTE = tasks.note.name
NIGHTLY = tasks.nightly.name


@pytest.fixture(autouse=True)
def declared(lab: Lab) -> Iterator[None]:
    """Have only two tasks of this folder declared."""
    with registry.isolated() as alone:
        alone.add_worker(tasks.worker)
        for task in (tasks.note, tasks.nightly):
            alone.add_task(task)
        yield


def run(*words: str) -> str:
    out = StringIO()
    call_command("upnext_schedule", *words, stdout=out)
    return out.getvalue()


def add(*options: str) -> str:
    return run("add", "morning", NOTE, "0 9 * * *", "--kwargs", '{"word": "hello"}', *options)


def test_all_of_it_from_add_to_delete(lab: Lab):
    assert add("--timezone", "Europe/Berlin", "--missed", "skip", "--priority", "-3") == (
        "Schedule morning added.\n"
    )
    row = schedules.get("morning")
    assert (row.timezone, row.missed_run_policy, row.priority) == ("Europe/Berlin", "skip", -3)
    assert row.updated_by == "manage.py"

    assert run("change", "morning", "--name", "dawn", "--priority", "none") == "Schedule morning changed.\n"
    assert schedules.get("dawn").priority is None
    assert run("pause", "dawn") == "Schedule dawn paused.\n"
    assert run("pause", "dawn") == "Schedule dawn was paused already.\n"
    assert run("resume", "dawn") == "Schedule dawn resumed.\n"
    assert run("resume", "dawn") == "Schedule dawn was not paused.\n"

    job_id = run("run", "dawn").split()[-1]
    assert envelopes_of(lab)[job_id].schedule == "dawn"

    assert run("delete", "dawn") == "Schedule dawn deleted.\n"
    assert run("list").count("\n") == 2, "what is declared in code is left"


def test_list_shows_what_is_declared_and_what_was_added():
    add("--starts", "2030-01-01T00:00:00+00:00", "--timezone", "UTC")
    run("pause", NIGHTLY)

    said = run("list")

    assert f"{NIGHTLY}  0 3 * * *  Europe/Berlin  (declared in code)  PAUSED" in said
    assert f"morning  0 9 * * *  UTC  ({NOTE}, a row)" in said
    assert '[[], {"word": "hello"}]' in said
    assert "next       2030-01-01 09:00:00+0000, 2030-01-02 09:00:00+0000" in said
    (cron, row) = json.loads(run("list", "--json"))
    assert (cron["paused"], cron["next_runs"]) == (True, [])
    assert (row["kwargs"], len(row["next_runs"]), row["last_run"]) == ({"word": "hello"}, 5, None)


def test_without_any_it_says_so():
    with registry.isolated():
        assert run("list") == "No schedules.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "x", NOTE, "@never"], "the names are @yearly"),
        (["add", "x", NOTE, "@daily"], "missing a required argument: 'word'"),
        (["add", "x", NOTE + "x", "@daily"], "did you mean"),
        (["add", "x", NOTE, "@daily", "--kwargs", "[1]"], "is no JSON dict"),
        (["add", "x", NOTE, "@daily", "--starts", "soon"], "this is no time"),
        (["pause", "nothing"], "There is no schedule 'nothing'"),
        (["delete", NIGHTLY], "declared in code"),
        (["change", NIGHTLY, "--expression", "@daily"], "declared in code|There is no schedule"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], said: str):
    with pytest.raises(CommandError, match=said):
        run(*words)
