"""Every page of the admin that can be reached, found by following its links as a reader does."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from django.contrib.auth.models import User
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from tests.admin.addresses import addresses

__all__ = ["found"]

#: What Django's admin adds to the links of a list, so that a page knows the filters to go back to.
_LEADS_BACK = "_changelist_filters"
#: Of pages of one kind so many are looked at; the lists' filters and sortings are pages of one kind.
_OF_A_KIND = 3


def found(by: User, *jobs: str) -> dict[str, list[str]]:
    """Return the paths of pages by the name of their address.

    Begins at the pages of ``jobs`` and at the lists, follows links and the forms that only ask for a page.
    """
    client = Client()
    client.force_login(by)
    waiting = [reverse("admin:app_list", args=["upnext"])]
    waiting += [reverse("admin:upnext_jobrecord_change", args=[job]) for job in jobs]
    waiting += [reverse(f"admin:{name}") for name in sorted(addresses()) if name.endswith("_changelist")]
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    pages: dict[str, list[str]] = {}
    while waiting:
        path = waiting.pop(0)
        name = _name(path)
        if name is None or path in seen or kinds[name] >= _OF_A_KIND:
            continue
        seen.add(path)
        response = client.get(path)
        if response.status_code != 200 or "html" not in response.headers["content-type"]:
            continue
        kinds[name] += 1
        pages.setdefault(name, []).append(path)
        text = response.content.decode()
        for link in re.findall(r'(?:href|action)="([^"]*)"', text):
            waiting.append(_page(urljoin(path, unescape(link))))
    return pages


def _page(link: str) -> str:
    """Return the link without its place in the page and without the list that its page leads back to."""
    parts = urlsplit(link)
    query = [(key, value) for key, value in parse_qsl(parts.query, True) if key != _LEADS_BACK]
    return parts._replace(query=urlencode(query), fragment="").geturl()


def _name(path: str) -> str | None:
    """Return what the address is called, if it is one of ours."""
    if urlsplit(path).netloc:
        return None
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return None
    if match.url_name == "app_list":
        return "app_list" if match.kwargs.get("app_label") == "upnext" else None
    return match.url_name if match.url_name and match.url_name.startswith("upnext_") else None
