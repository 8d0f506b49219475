"""Jobs that are too many for one request, dealt with by the running worker while somebody watches."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import tasks
from tests.browser.site import Site, elsewhere
from tests.browser.visitor import Visitor
from tests.waiting import wait_until
from upnext_django.models import JobRecord

pytestmark = pytest.mark.browser

QUEUE = "/admin/upnext/queue/"
MANY = 220


def waiting() -> int:
    return elsewhere(JobRecord.objects.filter(function="tests.browser.tasks.halves", status="queued").count)


def submit_many() -> None:
    for number in range(MANY):
        tasks.halves.submit_sync(2 * number)


def test_more_than_a_request_takes_are_cancelled_by_the_worker(operator: Visitor, site: Site) -> None:
    row = "tr:has(a:text-is('browser-tests'))"
    operator.open(QUEUE)
    operator.click(f"{row} button:has-text('Pause')")
    expect(operator.page.locator(".messagelist")).to_contain_text("is paused")
    elsewhere(submit_many)
    wait_until(lambda: waiting() == MANY, "the rows say that the jobs wait", timeout=60)

    operator.open("/admin/upnext/jobrecord/?function=tests.browser.tasks.halves&status__exact=queued")
    operator.page.check("#action-toggle")
    operator.click(".actions .question a")
    operator.page.select_option("select[name=action]", "cancel_selected")
    operator.click("button[name=index]")
    expect(operator.page.locator("#content-main")).to_contain_text(f"It is about {MANY} jobs.")
    expect(operator.page.locator("#content-main")).to_contain_text("status: queued")
    operator.check("question about many")
    assert operator.accessibility() == []
    operator.click(".upnext-form button")

    bulk = operator.page.locator("#upnext-bulk-page")
    expect(bulk).to_contain_text(f"{MANY} of {MANY} jobs are dealt with.", timeout=60_000)
    expect(bulk).to_contain_text("100 %")
    operator.check("bulk action")
    wait_until(lambda: waiting() == 0, "the rows say that no job waits", timeout=60)
    operator.click("a:text-is('History')")
    expect(operator.page.locator("#change-history")).to_contain_text(f"Done: {MANY} cancelled, 0 refused.")

    operator.open(QUEUE)
    operator.click(f"{row} button:has-text('Resume')")
    expect(operator.page.locator(".messagelist")).to_contain_text("goes on")
