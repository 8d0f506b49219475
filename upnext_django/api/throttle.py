"""How many requests a caller may make: counted in Django's cache, in windows that follow one another."""

from __future__ import annotations

import hashlib
import logging
import time

from django.core.cache import cache
from django.http import HttpRequest
from ninja.conf import settings as ninja_settings

from upnext_django import conf
from upnext_django.api.problems import ProblemError

logger = logging.getLogger("upnext.api")

__all__ = ["address", "spend"]


def spend(who: str, rate_name: str) -> None:
    """Count a request of ``who`` against ``UPNEXT["API_RATES"][rate_name]``.

    Raises ProblemError with 429 for one too many. Where the cache belongs to one process, as Django's default
    one does, so does the count.
    """
    rate = conf.get().api_rates[rate_name]
    if rate is None:
        return
    window_s = rate.window_ms / 1000
    now = time.time()
    place = int(now // window_s)
    digest = hashlib.sha256(who.encode()).hexdigest()[:32]
    key = f"upnext:api:{rate_name}:{digest}:{place}"
    try:
        cache.add(key, 0, timeout=window_s + 1)
        count = cache.incr(key)
    except ValueError:  # it was evicted in between
        return
    except Exception as error:  # noqa: BLE001  # each cache has errors of its own
        # Without it nobody is counted, and everybody served.
        logger.warning("The cache that counts the requests of the API does not answer: %s", error)
        return
    if count > rate.limit:
        raise ProblemError(
            429,
            f"More than {rate.limit} requests in {window_s:g} s; UPNEXT['API_RATES'] has the limits.",
            retry_after=(place + 1) * window_s - now,
        )


def address(request: HttpRequest) -> str:
    """Return the address that a request comes from.

    Behind proxies that is what the outermost of ``NINJA_NUM_PROXIES`` says, 0 if it is not set: whoever
    writes X-Forwarded-For himself would have as many addresses as he likes.
    """
    proxies = ninja_settings.NUM_PROXIES or 0
    header = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    forwarded = [one.strip() for one in header.split(",") if one.strip()]
    if proxies and forwarded:
        return forwarded[-min(proxies, len(forwarded))]
    return str(request.META.get("REMOTE_ADDR") or "unknown")
