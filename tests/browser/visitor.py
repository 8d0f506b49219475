"""Somebody at a browser, who notes what it complains about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

__all__ = ["Scheme", "Visitor"]

# Beside the page's own console: a refused style is reported as an event only.
_LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""
_CONTRAST = """
(element) => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  let behind = element;
  while (/, 0\\)$|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const text = light(getComputedStyle(element).color);
  const ground = light(getComputedStyle(behind).backgroundColor);
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}
"""

_WIDEST = """
[...document.querySelectorAll("#container *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .filter((one) => !one.closest(".upnext-scroll, .upnext-nav, .results"))
  .slice(-3).map((one) => `${one.tagName}.${one.className}`).join(" ")
"""

Scheme = Literal["light", "dark"]


class Visitor:
    """Logged in; ``clicks`` counts those made through click()."""

    def __init__(self, page: Page, url: str, *, name: str, password: str, view: str) -> None:
        self.page = page
        self.clicks = 0
        self.complaints: list[str] = []
        self._is_examined = False
        self._url = url
        self._view = view
        page.add_init_script(_LISTEN)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # The example has none, and a browser asks every site for it.
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        self.open("/admin/")
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.click("[type=submit]")
        page.wait_for_selector("#user-tools")

    def open(self, path: str) -> None:
        """Open a page of the site."""
        self._is_examined = False
        response = self.page.goto(f"{self._url}{path}")
        assert response is not None
        assert response.status == 200, f"{path}: {response.status}"
        assert "style-src 'self'" in response.headers["content-security-policy"]

    def click(self, selector: str) -> None:
        """Click once on what ``selector`` finds first."""
        self.clicks += 1
        self.page.locator(selector).first.click()

    def check(self, name: str) -> None:
        """Fail for anything refused or complained about so far, or if the page is wider than the window."""
        assert self.problems(name) == [], name

    def problems(self, name: str) -> list[str]:
        """Return what was refused or complained about so far, and if the page is wider than the window."""
        folder = os.environ.get("UPNEXT_TEST_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{self._view}-{name}.png", full_page=True)
        found = [f"refused: {one}" for one in self.page.evaluate("window.refused")]
        found += [f"complained: {one}" for one in self.complaints]
        if self.page.evaluate("document.documentElement.dataset.harmed") is not None:
            found.append("a text of the page has run")
        if self.page.locator('[href^="javascript:"], [onerror], [onload], #harmed').count():
            found.append("a text of the page could run")
        excess = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if excess > 0:
            found.append(f"{excess} px wider than the window: {self.page.evaluate(_WIDEST)}")
        return found

    def accessibility(self) -> list[str]:
        """Return what axe finds wrong: the rule and where.

        It is the last that is done to a page: axe itself breaks the policy, so that what the browser
        complains of from here to the next open() says nothing.
        """
        self._is_examined = True
        return [
            f"{one['id']}: {', '.join(str(node['target']) for node in one['nodes'])}"
            for one in self._axe().response["violations"]
        ]

    def _axe(self) -> Any:
        return Axe().run(self.page, options={"preload": False, "resultTypes": ["violations"]})

    def contrast(self, selector: str) -> float:
        """Return the smallest contrast of a text to what is behind it, as WCAG 2 defines it."""
        return min(float(one.evaluate(_CONTRAST)) for one in self.page.locator(selector).all())

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._is_examined:
            self.complaints.append(message.text)
