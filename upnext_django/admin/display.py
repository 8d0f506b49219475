"""How values look in the admin: as escaped HTML, without inline styles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from upnext_django.models.attempt import AttemptRecord
from upnext_django.models.job import STATUS_CHOICES

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["as_json", "as_text", "duration", "moment", "pill", "seconds", "time_column", "visible"]

_ICONS = {
    "scheduled": "\u25f7",
    "queued": "\u2026",
    "active": "\u25b6",
    "retrying": "\u21bb",
    "complete": "\u2713",
    "failed": "\u2717",
    "timed_out": "\u2717",
    "lost": "\u2717",
    "cancelled": "\u2298",
    "handed_back": "\u21a9",
}
_WORDS = {**dict(STATUS_CHOICES), **dict(AttemptRecord.Outcome.choices)}
_LONGEST = 20_000
# Control characters would colour or clear a terminal that the text is copied to, bidirectional
# overrides and isolates turn around what stands beside them; their names do neither.
_SIGNS = {
    code: f"[U+{code:04X}]"
    for code in (
        *(code for code in range(32) if chr(code) not in "\n\t"),
        *range(0x7F, 0xA0),
        *(0x061C, 0x200E, 0x200F),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}
_IN_JSON = {code: f"\\u{code:04x}" for code in _SIGNS}


def moment(at: datetime) -> str:
    """Return a time as the clock of its own zone shows it."""
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def pill(status: str) -> SafeString:
    """Return a status or outcome as icon and word; the colour comes from the stylesheet."""
    return format_html(
        '<span class="upnext-pill upnext-{}"><span aria-hidden="true">{}</span> {}</span>',
        status,
        _ICONS.get(status, "?"),
        _WORDS.get(status, status),
    )


def as_json(value: Any) -> SafeString | str:
    """Return a JSON value over several lines; the rest of a very long one is left out."""
    if value is None:
        return "-"
    return as_text(json.dumps(value, indent=2, ensure_ascii=False).translate(_IN_JSON))


def visible(text: str) -> str:
    """Return ``text`` with its control and direction characters as their names; lines and tabs stay."""
    return text.replace("\r\n", "\n").translate(_SIGNS)


def as_text(text: str | None) -> SafeString | str:
    """Return ``text`` with its line breaks; the rest of a very long one is left out."""
    if not text:
        return "-"
    if len(text) > _LONGEST:
        left_out = _("%(count)d characters more are not shown") % {"count": len(text) - _LONGEST}
        text = f"{text[:_LONGEST]}\n[{left_out}]"
    return format_html('<pre class="upnext-text" tabindex="0">{}</pre>', visible(text))


def duration(started_at: datetime | None, ended_at: datetime | None) -> str:
    """Return the time between two moments for people; "-" if one of them is not known."""
    if started_at is None or ended_at is None:
        return "-"
    return seconds(max(ended_at - started_at, timedelta()).total_seconds())


def seconds(span_s: float | None) -> str:
    """Return a span of seconds for people: "12 ms", "3.4 s", "1:02:03"; "-" for None."""
    if span_s is None:
        return "-"
    if span_s < 1:
        return f"{span_s * 1000:.0f} ms"
    if span_s < 60:
        return f"{span_s:.1f} s"
    return str(timedelta(seconds=round(span_s)))


def time_column(field: str, description: _StrPromise) -> Callable[[Any, Any], SafeString | str]:
    """Return an admin's method that shows a row's ``field`` to the second, in the current time zone.

    Django's own format has minutes only, which is one and the same for most of a job's moments.
    """

    @admin.display(description=description)
    def shown(model_admin: Any, row: Any) -> SafeString | str:
        moment: datetime | None = getattr(row, field)
        if moment is None:
            return "-"
        local = timezone.localtime(moment)
        return format_html('<time datetime="{}">{}</time>', local.isoformat(), f"{local:%Y-%m-%d %H:%M:%S}")

    return shown
