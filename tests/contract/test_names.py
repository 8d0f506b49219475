"""The names that users build on."""

from __future__ import annotations

import dataclasses
import re

import pytest

import upnext_django as upnext
from tests.contract.pages import REFERENCE

PROMISED = """
    Worker task event Event EventHandler SyncExecutor TaskHandle Future TaskResult Job Context
    get_current_context gather
    map_tasks first_completed submit_many gather_sync map_tasks_sync first_completed_sync get_job
    aget_job TaskExecutionError TaskTimeoutError RedisUnavailable ArgumentError WaitInTransaction
    WorkflowDeadlock Backpressure JobNotFound Retry cron MissedRunPolicy run
"""

MEMBERS = {
    upnext.TaskHandle: """
        submit wait submit_sync wait_sync submit_idempotent wait_idempotent
        submit_idempotent_sync wait_idempotent_sync options enqueue delay apply_async name function_name
        invalidate_cache invalidate_cache_sync
    """,
    upnext.Future: """
        result value cancel status result_sync value_sync cancel_sync status_sync duplicate_of
    """,
    upnext.Context: """
        job_id parent_id root_id attempt max_attempts function function_name worker_id is_cancelled meta log
        set_progress checkpoint last_checkpoint send_log
    """,
    upnext.Worker: "task cron event",
    upnext.Event: "on send send_sync send_idempotent send_idempotent_sync options",
    upnext.EventHandler: "submit send send_sync send_idempotent send_idempotent_sync",
}

FIELDS = {
    upnext.TaskResult: """
        value job_id function function_name status started_at completed_at attempts parent_id root_id
        cache_hit
    """,
    upnext.Job: """
        id task_name status args kwargs retries max_retries result error created_at started_at completed_at
    """,
}


def test_every_promised_name_is_there():
    assert set(PROMISED.split()) <= set(upnext.__all__)
    assert all(hasattr(upnext, name) for name in upnext.__all__)


def test_every_name_is_documented():
    text = (REFERENCE / "public-api.md").read_text() + (REFERENCE / "errors.md").read_text()

    assert [name for name in upnext.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_nothing_is_documented_that_is_not_there():
    names = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE)

    documented = [name.strip("`") for cell in names for name in cell.split(", ")]
    assert len(documented) > 10
    assert set(documented) <= set(upnext.__all__)


@pytest.mark.parametrize("owner", MEMBERS, ids=lambda owner: owner.__name__)
def test_members(owner: type):
    assert [name for name in MEMBERS[owner].split() if not hasattr(owner, name)] == []


@pytest.mark.parametrize("owner", FIELDS, ids=lambda owner: owner.__name__)
def test_fields(owner: type):
    fields = {field.name for field in dataclasses.fields(owner)}

    assert set(FIELDS[owner].split()) <= fields
    text = (REFERENCE / "public-api.md").read_text()
    section = text.split(f"## {owner.__name__}\n\n")[1]
    documented = set(section.partition("`")[2].partition("`")[0].split())
    assert documented - fields <= {"ok"}  # a property


def test_an_error_carries_what_the_contract_says():
    error = upnext.TaskTimeoutError("j1", "failed", "30.0 seconds", None)

    assert isinstance(error, upnext.TaskExecutionError)
    assert (error.job_id, error.status, error.error, error.task_result) == (
        "j1",
        "failed",
        "30.0 seconds",
        None,
    )
    assert not issubclass(upnext.Retry, upnext.UpNextError)
