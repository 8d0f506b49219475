"""Every page of the admin as a browser shows it, wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import expect

from tests.admin.addresses import addresses
from tests.browser import pages
from tests.browser.site import NAME, Site, elsewhere
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def known(site: Site) -> dict[str, list[str]]:
    """Give the paths of all pages by name."""
    return elsewhere(
        lambda: pages.found(User.objects.get(username=NAME), site.failed, site.running, site.parent)
    )


def looked_at(known: dict[str, list[str]], site: Site) -> Iterator[tuple[str, str]]:
    """Yield every page's name and path; of the jobs also the one that succeeded."""
    for name, paths in known.items():
        for number, path in enumerate(paths):
            yield f"{name}-{number}", path
    yield "succeeded", f"/admin/upnext/jobrecord/{site.succeeded}/change/"
    yield "tree", f"/admin/upnext/jobrecord/{site.parent}/tree/"


def test_every_address_leads_to_a_page_or_takes_posts_only(known: dict[str, list[str]], site: Site) -> None:
    """What is not reached by links is looked at by no test below."""

    def not_pages() -> set[str]:
        client = Client()
        client.force_login(User.objects.get(username=NAME))
        unknown = {name: path for name, path in addresses().items() if name not in known}
        answers = {name: client.get(path) for name, path in unknown.items()}
        return {
            name
            for name, answer in answers.items()
            if answer.status_code == 200 and "html" in answer.headers["content-type"]
        }

    assert elsewhere(not_pages) == set()


def test_every_page_is_whole(visitor: Visitor, known: dict[str, list[str]], site: Site) -> None:
    wrong: dict[str, list[str]] = {}
    for name, path in looked_at(known, site):
        visitor.open(path)
        if found := visitor.problems(name) + visitor.accessibility():
            wrong[path] = found

    assert wrong == {}


def test_a_failed_jobs_traceback_opens(visitor: Visitor, site: Site) -> None:
    visitor.open("/admin/upnext/jobrecord/")
    visitor.page.click("#result_list a:text-is('fails')")
    traceback = visitor.page.locator("details pre.upnext-text").first
    expect(traceback).to_be_attached()
    assert not traceback.is_visible()

    visitor.page.locator("details:has(pre.upnext-text) summary").first.click()

    expect(traceback).to_be_visible()
    assert "tests/browser/tasks.py" in traceback.inner_text()
    visitor.check("failed")


def test_a_tree_leads_back_to_its_job(visitor: Visitor, site: Site) -> None:
    visitor.open(f"/admin/upnext/jobrecord/{site.parent}/change/")
    visitor.page.click("text=All jobs of this tree")
    expect(visitor.page.locator(".upnext-tree tbody tr").first).to_be_visible()
    visitor.check("tree")

    visitor.page.locator(".breadcrumbs a").last.click()

    visitor.page.wait_for_url(f"**/{site.parent}/change/")


def test_words_can_be_read(visitor: Visitor, site: Site) -> None:
    visitor.open("/admin/upnext/jobrecord/")

    assert visitor.contrast(".upnext-pill") >= 4.5


def test_hostile_texts_are_texts(visitor: Visitor, site: Site) -> None:
    visitor.open(f"/admin/upnext/jobrecord/{site.succeeded}/change/")
    text = visitor.page.locator("#content").inner_text()

    # In the arguments, the result, the checkpoint, the progress and twice in the log.
    assert text.count("<img src=x onerror=alert(1)>") >= 6
    assert text.count("<svg onload=") >= 6
    assert text.count("javascript:document") >= 6
    assert text.count("{{ 7|add:7 }}") >= 6
    # A control character would colour a terminal it is copied to; an override would turn the line around.
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[U+001B][31mred" in text
    assert "invoice[U+202E]fdp.exe" in text
    assert "invoice\\u202efdp.exe" in text
    visitor.check("hostile")
