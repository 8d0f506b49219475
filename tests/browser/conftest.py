"""A site with the rows of a real worker's run, and a browser to look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from tests.browser.site import NAME, PASSWORD, Site, running_site
from tests.browser.visitor import Scheme, Visitor

_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="module")
def site(
    valkey_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    committed: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Site]:
    """Give a running site with a history and a worker."""
    with django_db_blocker.unblock(), running_site(valkey_url, tmp_path_factory.mktemp("worker")) as site:
        yield site


# Playwright keeps a loop running in this thread, in which the ORM refuses to work: the rows come first.
@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    """Give Chromium: that of ``UPNEXT_TEST_CHROMIUM``, of Debian, or of Playwright."""
    debian = Path("/usr/bin/chromium")
    path = os.environ.get("UPNEXT_TEST_CHROMIUM") or (str(debian) if debian.exists() else None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(
    params=[(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def visitor(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Visitor]:
    """Give somebody with a wide or narrow window, light or dark."""
    width: int
    scheme: Scheme
    width, scheme = request.param
    yield from _visit(browser, site, width=width, scheme=scheme)


@pytest.fixture
def operator(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Give somebody with a wide, light window."""
    yield from _visit(browser, site)


@pytest.fixture
def without_scripts(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Give somebody whose browser runs no JavaScript."""
    yield from _visit(browser, site, scripts=False)


def _visit(
    browser: Browser, site: Site, *, width: int = 1440, scheme: Scheme = "light", scripts: bool = True
) -> Iterator[Visitor]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
    )
    context.set_default_timeout(_PATIENCE_MS)
    yield Visitor(context.new_page(), site.url, name=NAME, password=PASSWORD, view=f"{width}-{scheme}")
    context.close()
