"""A visitor of the site: reads pages and submits their forms over HTTP, cookies and CSRF included."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urlsplit

from example_project.demo.failure import DemoFailed

__all__ = ["Page", "Visitor"]

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """What the site answered, after redirects."""

    url: str
    text: str


class Visitor:
    """Somebody with a browser. ``site`` is like ``http://127.0.0.1:8000``."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # a proxy of the environment cannot reach this machine
            urllib.request.HTTPCookieProcessor(CookieJar()),
        )

    def is_served(self) -> bool:
        """Return whether somebody listens at the site's address."""
        address = urlsplit(self.site)
        try:
            socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=1).close()
        except OSError:
            return False
        return True

    def read(self, path: str) -> Page:
        """Return a page. Raises DemoFailed if the site does not answer with one."""
        return self._open(path, None)

    def submit(self, page_path: str, form_path: str, **fields: str) -> Page:
        """Read a page, submit its form to ``form_path`` and return where that leads."""
        token = _TOKEN.search(self.read(page_path).text)
        if token is None:
            raise DemoFailed(f"{self.site}{page_path} has no form to submit.")
        return self._open(form_path, urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode())

    def _open(self, path: str, body: bytes | None) -> Page:
        try:
            with self._opener.open(self.site + path, body, timeout=_TIMEOUT_S) as answer:
                return Page(answer.url, answer.read().decode())
        except urllib.error.URLError as error:
            raise DemoFailed(f"{self.site}{path}: {error}") from error
