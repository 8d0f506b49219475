"""Pages that refresh themselves: by polling, by a stream, and not under the reader's hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.asgi_site import served_by_asgi
from tests.browser import tasks
from tests.browser.site import NAME, PASSWORD, Site, elsewhere
from tests.browser.visitor import Visitor
from tests.waiting import wait_until
from tests.workers import database_url
from upnext_django.models import JobRecord

pytestmark = pytest.mark.browser

JOBS = "/admin/upnext/jobrecord/"
PATIENCE_MS = 20_000
TOP = "(element) => element.getBoundingClientRect().top"


@pytest.fixture(scope="module")
def asgi_url(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of the same site under ASGI, in a process of its own."""
    with served_by_asgi(
        "tests.browser.asgi_settings",
        database=elsewhere(database_url),
        namespace=site.namespace,
        redis_url=site.redis_url,
        log=tmp_path_factory.mktemp("asgi") / "site.log",
    ) as served:
        yield served.url


@pytest.fixture
def streamed(browser: Browser, asgi_url: str) -> Iterator[Visitor]:
    """Give somebody who looks at the site under ASGI."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield Visitor(context.new_page(), asgi_url, name=NAME, password=PASSWORD, view="asgi")
    context.close()


def refreshed_every(visitor: Visitor, seconds: int, path: str = JOBS) -> list[str]:
    """Open a page that refreshes itself so often; give the list that its refreshes are noted in."""
    visitor.open(path)
    visitor.page.select_option("#upnext-refresh", str(seconds))
    visitor.open(path)
    fetched: list[str] = []
    visitor.page.on(
        "response",
        lambda answer: fetched.append(answer.url) if answer.request.resource_type == "fetch" else None,
    )
    return fetched


def a_new_job() -> str:
    """Have a job run; return the beginning of its id, as the list shows it."""
    return elsewhere(lambda: tasks.halves.submit_sync(8).job_id)[:13]


def row(page: Page, job: str) -> str:
    return f"#result_list tr:has(code:text-is('{job}'))"


def a_round(page: Page) -> None:
    """Wait until the page has refreshed itself once more."""
    page.evaluate(
        "() => new Promise((done) => document.addEventListener('upnext:refreshed', done, { once: true }))"
    )


def test_a_new_job_appears_by_itself(operator: Visitor) -> None:
    refreshed_every(operator, 2)

    job = a_new_job()

    expect(operator.page.locator(f"#result_list code:text-is('{job}')")).to_be_visible(timeout=PATIENCE_MS)
    expect(operator.page.locator("[role=status]")).to_contain_text("changed", timeout=PATIENCE_MS)
    operator.check("refreshed")


def test_a_running_jobs_page_shows_its_end_and_its_actions(operator: Visitor, site: Site) -> None:
    job = elsewhere(lambda: tasks.waits.submit_sync().job_id)
    wait_until(lambda: elsewhere(lambda: _row_is(job, "active")), "the row says active")
    refreshed_every(operator, 2, f"{JOBS}{job}/change/")

    operator.page.click("button:text-is('Cancel')")
    expect(operator.page.locator(".upnext-moments .upnext-cancelled")).to_be_visible(timeout=PATIENCE_MS)

    # The button of a form that came with the refresh.
    operator.page.click("button:text-is('Retry')")
    expect(operator.page.locator(".messagelist")).to_contain_text("A new job was made")
    operator.check("ended")


def _row_is(job: str, status: str) -> bool:
    return JobRecord.objects.filter(id=job, status=status).exists()


def test_a_marked_text_a_ticked_row_and_the_focus_stay(operator: Visitor) -> None:
    fetched = refreshed_every(operator, 2)
    operator.page.locator("#result_list a").first.focus()
    held = operator.page.evaluate("document.activeElement.href")

    job = a_new_job()
    wait_until(lambda: operator.page.title() and len(fetched) >= 3, "three refreshes", timeout=30)

    assert operator.page.evaluate("document.activeElement.href") == held
    expect(operator.page.locator("[data-upnext-live-note]")).to_have_text("Waits while you work in the page")
    operator.page.evaluate("document.activeElement.blur()")
    expect(operator.page.locator(f"#result_list code:text-is('{job}')")).to_be_visible(timeout=PATIENCE_MS)


def test_what_is_opened_and_scrolled_stays(operator: Visitor) -> None:
    refreshed_every(operator, 2, "/admin/upnext/overview/")
    # The first job of a site adds lines.
    first = JobRecord.objects.filter(id__startswith=a_new_job(), completed_at__isnull=False)
    wait_until(lambda: elsewhere(first.exists), "the row says that the job has ended", timeout=30)
    a_round(operator.page)
    a_round(operator.page)
    details = operator.page.locator("details").first
    operator.page.locator("summary").first.click()
    operator.page.evaluate("scrollTo(0, 200)")
    top = details.evaluate(TOP)

    a_new_job()
    a_round(operator.page)
    a_round(operator.page)

    assert details.get_attribute("open") is not None
    assert details.evaluate(TOP) == top
    operator.check("opened")


def test_a_hidden_page_asks_nothing_and_catches_up(operator: Visitor) -> None:
    fetched = refreshed_every(operator, 60)
    hide = "(is) => { Object.defineProperty(document, 'hidden', { configurable: true, value: is });" + (
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    operator.page.evaluate(hide, True)
    job = a_new_job()
    rows = JobRecord.objects.filter(id__startswith=job)
    wait_until(lambda: elsewhere(rows.exists), "the job has a row", timeout=30)
    assert fetched == []

    operator.page.evaluate(hide, False)

    expect(operator.page.locator(f"#result_list code:text-is('{job}')")).to_be_visible(timeout=PATIENCE_MS)


def test_off_is_remembered(operator: Visitor) -> None:
    fetched = refreshed_every(operator, 0)

    expect(operator.page.locator("#upnext-refresh")).to_have_value("0")
    operator.page.wait_for_timeout(3_000)

    assert fetched == []


def test_the_control_is_reached_by_keyboard_and_has_a_name(operator: Visitor) -> None:
    operator.open(JOBS)

    operator.page.get_by_label("Refresh").focus()
    operator.page.keyboard.press("End")

    expect(operator.page.locator("#upnext-refresh")).to_have_value("60")


def test_who_is_logged_out_is_told(operator: Visitor) -> None:
    refreshed_every(operator, 2)

    operator.page.context.clear_cookies()

    expect(operator.page.locator("[data-upnext-live-note]")).to_contain_text(
        "log in again", timeout=PATIENCE_MS
    )


def test_under_asgi_a_change_shows_long_before_the_next_round(streamed: Visitor) -> None:
    fetched = refreshed_every(streamed, 60)
    wait_until(lambda: streamed.page.title() and fetched, "it has caught up once", timeout=30)

    job = a_new_job()

    expect(streamed.page.locator(f"#result_list code:text-is('{job}')")).to_be_visible(timeout=PATIENCE_MS)
    streamed.check("streamed")


def test_a_page_that_is_left_leaves_no_stream(streamed: Visitor) -> None:
    """A browser has six connections to a site: six forgotten streams would make it stand still."""
    for _ in range(10):
        streamed.open(JOBS)

    streamed.check("ten pages later")
