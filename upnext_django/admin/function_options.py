"""What a function's options mean, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from upnext_django.admin.display import seconds

__all__ = ["in_words"]


def in_words(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and text of each option that says something; ``facts`` is a definition as JSON."""
    return [(name, text) for name, text in _all(facts) if text]


def _all(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = facts.get
    yield _("Declared at"), str(given("source") or "")
    yield _("Runs"), _("in the event loop") if given("is_async") else _("in a thread")
    yield _("Former names"), ", ".join(given("aliases") or ())
    yield _("Schedule"), _cron(given("cron"))
    yield _("Retries"), _retries(facts)
    yield _("Retried errors"), _errors(facts)
    timeout = given("timeout")
    yield _("Timeout"), seconds(timeout) if timeout is not None else _("none")
    yield _("Rate limit"), _rate(facts)
    yield _("Concurrency"), _cap(facts)
    yield _("Cache"), _cache(facts)
    yield _("Priority"), str(given("priority") or "")
    expires = given("expires")
    yield (
        _("Expires"),
        "" if expires is None else _("if it has not begun after %(span)s") % {"span": seconds(expires)},
    )
    yield _("Result"), _result(facts)
    yield _("Sensitive arguments"), ", ".join(given("sensitive") or ())


def _cron(cron: Mapping[str, Any] | None) -> str:
    return "" if cron is None else " ".join(str(part) for part in cron.values() if part)


def _retries(facts: Mapping[str, Any]) -> str:
    retries = facts.get("retries") or 0
    if not retries:
        return _("none")
    said = ngettext("%(count)d, after %(delay)s", "%(count)d, the first after %(delay)s", retries) % {
        "count": retries,
        "delay": seconds(facts.get("retry_delay")),
    }
    backoff = facts.get("retry_backoff") or 1
    if retries > 1 and backoff != 1:
        said += _(", each pause %(factor)g times the last, at most %(most)s") % {
            "factor": backoff,
            "most": seconds(facts.get("retry_max_delay")),
        }
    return said


def _errors(facts: Mapping[str, Any]) -> str:
    if not facts.get("retries"):
        return ""
    only, never = facts.get("retry_on"), facts.get("no_retry_on") or ()
    said = _("all") if only is None else ", ".join(only) or _("none")
    return said + (_(" but %(names)s") % {"names": ", ".join(never)} if never else "")


def _rate(facts: Mapping[str, Any]) -> str:
    rate = facts.get("rate_limit")
    if not rate:
        return ""
    said = _("%(limit)d starts in %(window)s, over all workers") % {
        "limit": rate["limit"],
        "window": seconds(rate["window_ms"] / 1000),
    }
    return said + _each_key(facts.get("rate_limit_key"))


def _cap(facts: Mapping[str, Any]) -> str:
    most = facts.get("max_concurrency")
    if most is None:
        return ""
    return _("at most %(most)d at a time, over all workers") % {"most": most} + _each_key(
        facts.get("concurrency_key")
    )


def _each_key(template: str | None) -> str:
    return _(", for each %(key)s") % {"key": template} if template else ""


def _cache(facts: Mapping[str, Any]) -> str:
    key, ttl = facts.get("cache_key"), facts.get("cache_ttl") or facts.get("result_ttl")
    return _("%(key)s, for %(ttl)s") % {"key": key, "ttl": seconds(ttl)} if key else ""


def _result(facts: Mapping[str, Any]) -> str:
    if not facts.get("save_result", True):
        return _("not kept")
    return _("kept in Redis for %(span)s") % {"span": seconds(facts.get("result_ttl"))}
