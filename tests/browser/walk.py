"""The walk of the tutorial on failed jobs: from the overview to a job that runs again, and succeeds."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.visitor import Visitor

__all__ = ["OVERVIEW", "repair"]

OVERVIEW = "/admin/upnext/overview/"


def repair(visitor: Visitor, look: Callable[[str], None]) -> str:
    """Find out why ``always_fails`` failed, mend its arguments and run it again; return the new job's id.

    ``look`` is called with the name of each step, while the visitor reads what there is to see.
    """
    page = visitor.page
    visitor.open(OVERVIEW)
    look("overview")
    visitor.click("a:has-text('always_fails failed')")
    page.wait_for_url("**/jobrecord/?*")
    look("jobs")
    visitor.click("#result_list a:text-is('always_fails')")
    page.wait_for_url("**/change/*")
    expect(page.locator("#content")).to_contain_text("the bank refuses an amount of 0; it must be above 0")
    look("job")
    visitor.click("a:text-is('Edit and retry')")
    page.wait_for_url("**/edit/*")
    visitor.click("#id_kwargs")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type('{"amount": 25}')
    look("edit")
    visitor.click("button:text-is('Retry with these arguments')")
    message = page.locator(".messagelist")
    expect(message).to_contain_text("A new job was made")
    look("done")
    return message.inner_text().split(": ")[-1].strip().rstrip(".")
