"""What an operator does to jobs, trees, queues and secrets, at a browser and against a running worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import tasks
from tests.browser.site import Site, elsewhere
from tests.browser.visitor import Visitor
from tests.waiting import wait_until
from upnext_django.models import JobRecord, Secret

pytestmark = pytest.mark.browser

JOBS = "/admin/upnext/jobrecord/"


def status(job_id: str) -> str | None:
    return elsewhere(lambda: JobRecord.objects.filter(id=job_id).values_list("status", flat=True).first())


def becomes(job_id: str, wanted: str) -> None:
    wait_until(lambda: status(job_id) == wanted, f"the row says {wanted}", timeout=30)


def replay_of(job_id: str) -> str:
    """Return the job that a retry made, as soon as it has a row."""
    made = JobRecord.objects.filter(replay_of=job_id).values_list("id", flat=True)
    found = wait_until(lambda: elsewhere(made.first), "the new job has a row", timeout=30)
    assert found is not None
    return str(found)


def said(operator: Visitor, text: str) -> None:
    expect(operator.page.locator(".messagelist")).to_contain_text(text)
    operator.check(text)


def test_a_running_job_is_cancelled(operator: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.waits.submit_sync().job_id)
    becomes(job, "active")
    operator.open(f"{JOBS}{job}/change/")

    operator.click("button:text-is('Cancel')")

    said(operator, "is being cancelled")
    becomes(job, "cancelled")


def test_a_failed_job_is_retried(operator: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.halves.submit_sync(3).job_id)
    becomes(job, "failed")
    operator.open(f"{JOBS}{job}/change/")

    operator.click("button:text-is('Retry')")

    said(operator, "A new job was made")
    becomes(replay_of(job), "failed")


def test_a_failed_job_is_retried_with_other_arguments(operator: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.halves.submit_sync(5).job_id)
    becomes(job, "failed")
    operator.open(f"{JOBS}{job}/change/")

    operator.click("a:text-is('Edit and retry')")
    operator.page.fill("#id_args", "[6")
    operator.click("button:text-is('Retry with these arguments')")
    expect(operator.page.locator(".errorlist")).to_contain_text("It must be a JSON list")
    assert operator.accessibility() == []
    operator.open(f"{JOBS}{job}/edit/")
    operator.page.fill("#id_args", "[6]")
    operator.click("button:text-is('Retry with these arguments')")

    said(operator, "A new job was made")
    becomes(replay_of(job), "complete")


def test_a_tree_is_cancelled_after_a_question(operator: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.waits_below.submit_sync().job_id)
    below = JobRecord.objects.filter(parent_id=job, status="active")
    wait_until(lambda: elsewhere(below.exists), "the child's row says active", timeout=30)
    operator.open(f"{JOBS}{job}/tree/")

    operator.click("button:text-is('Cancel the tree')")
    assert status(job) != "cancelled"
    operator.click(".upnext-form button")

    expect(operator.page.locator(".messagelist")).to_be_visible()
    becomes(job, "cancelled")
    operator.check("tree cancelled")


def test_a_tree_is_walked_by_keyboard_and_folds(operator: Visitor, site: Site) -> None:
    operator.open(f"{JOBS}{site.parent}/tree/")
    rows = operator.page.locator(".upnext-tree tbody tr")
    expect(rows.first).to_have_attribute("tabindex", "0")

    operator.page.keyboard.press("f")
    assert operator.page.evaluate("document.activeElement.hasAttribute('data-failed')")
    operator.page.keyboard.press("Home")
    operator.page.keyboard.press("ArrowDown")
    assert operator.page.evaluate("document.activeElement.rowIndex") == 2
    operator.page.keyboard.press("ArrowUp")
    folded = rows.count()
    group = operator.page.locator(".upnext-group[aria-expanded='false']").first
    group.focus()
    operator.page.keyboard.press("ArrowRight")

    expect(operator.page.locator(".upnext-group[aria-expanded='true']")).to_be_visible()
    assert rows.count() > folded
    operator.check("unfolded")


def test_a_queue_is_paused_and_goes_on(operator: Visitor, site: Site) -> None:
    queue = "tr:has(a:text-is('browser-tests'))"
    operator.open("/admin/upnext/queue/")

    operator.click(f"{queue} button:has-text('Pause')")
    said(operator, "is paused")
    job = elsewhere(lambda: tasks.halves.submit_sync(4).job_id)
    becomes(job, "queued")
    operator.open(f"{JOBS}{job}/change/")
    expect(operator.page.locator(".upnext-warning")).to_contain_text("paused")
    operator.open("/admin/upnext/queue/")
    operator.click(f"{queue} button:has-text('Resume')")

    said(operator, "goes on")
    becomes(job, "complete")


def test_a_secret_is_set_and_never_shown(operator: Visitor, site: Site) -> None:
    operator.open("/admin/upnext/secret/add/")

    operator.page.fill("#id_name", "mail_key")
    operator.page.fill("#id_value", "not to be seen")
    operator.click("[name=_save]")

    said(operator, "mail_key")
    assert elsewhere(Secret.objects.filter(name="mail_key").exists)
    assert "not to be seen" not in operator.page.content()
    operator.page.click("#result_list a:text-is('mail_key')")
    assert "not to be seen" not in operator.page.content()


def test_every_action_works_without_scripts(without_scripts: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.halves.submit_sync(7).job_id)
    becomes(job, "failed")
    page = without_scripts.page
    without_scripts.open(f"{JOBS}{job}/change/")

    page.click("button:text-is('Retry')")

    expect(page.locator(".messagelist")).to_contain_text("A new job was made")
    # Nothing would refresh it: the control for that is not shown.
    expect(page.locator("[data-upnext-live-control]")).to_be_hidden()
