"""The lines of a tree's page as HTML: made here, since a template takes ten times as long for a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from urllib.parse import quote

from django.utils.formats import localize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from upnext_django.admin.display import pill, seconds, visible
from upnext_django.operations.tree.bars import Bar, bars, density
from upnext_django.operations.tree.fold import GroupLine, JobLine, Line
from upnext_django.operations.tree.scale import WIDTH, Scale

__all__ = ["TreeRows"]

_MOST_INDENTED = 20
_WORDS = {
    "wait": "waited in the queue",
    "pause": "paused before the next attempt",
    "active": "runs",
    "complete": "ran to its end",
    "failed": "failed",
    "timed_out": "timed out",
    "cancelled": "was cancelled",
    "handed_back": "was handed back",
    "lost": "lost its worker",
}
#: Bars that are drawn thin.
_THIN = ("wait", "pause")


class TreeRows:
    """Makes the rows of one page, with whatever comes from a job escaped.

    ``here`` is the job whose page it is, ``job_url(id)`` the address of a job. ``toggle_url(key)`` opens or
    closes a group, ``more_url`` shows more of those in ``opened``.
    """

    def __init__(
        self,
        scale: Scale,
        now: float,
        *,
        here: str,
        job_url: Callable[[str], str],
        toggle_url: Callable[[str], str],
        more_url: str,
        opened: Iterable[str],
    ) -> None:
        self._scale = scale
        self._now = now
        self._here = here
        # To ask the URLconf for each of a thousand takes as long as all the rest.
        self._before, _id, self._after = job_url("0-0").rpartition("0-0")
        self._toggle_url = toggle_url
        self._more_url = more_url
        self._opened = frozenset(opened)
        self._pills: dict[str, str] = {}
        self._names: dict[str, str] = {}
        said = escape(_("Had it been quicker, the whole would have ended earlier."))
        self._critical = f' <span class="upnext-tag" title="{said}">{escape(_("critical"))}</span>'
        self._cached = _note(_("from the cache"))
        self._orphan = _note(_("its parent is not in the history"))
        self._svg = (
            f'<svg viewBox="0 0 {WIDTH:.0f} 16" preserveAspectRatio="none" class="upnext-bars" '
            'aria-hidden="true">'
        )
        self._gaps = "".join(
            f'<rect class="upnext-gap" x="{gap.x:.1f}" y="0" width="{gap.width:.1f}" height="16"/>'
            for gap in scale.gaps
        )

    def html(self, lines: Iterable[Line]) -> SafeString:
        """Return the rows of ``lines``."""
        rows = [self._group(line) if isinstance(line, GroupLine) else self._job(line) for line in lines]
        return mark_safe("\n".join(rows))

    def _job(self, line: JobLine) -> str:
        job = line.job
        is_here = job.id == self._here
        classes = ("upnext-here" if is_here else "") + (" upnext-critical" if line.critical else "")
        tags = self._critical if line.critical else ""
        if job.attempts > 1:
            tags += _note(_("attempt %(attempts)s") % {"attempts": job.attempts})
        if job.cache_hit:
            tags += self._cached
        if line.orphan:
            tags += self._orphan
        start = job.first_start
        waited = None if start is None else max(0.0, start - job.ready)
        drawn = "".join([self._bar(bar) for bar in bars(job, self._scale, self._now)])
        current = ' aria-current="true"' if is_here else ""
        failed = " data-failed" if job.status == "failed" else ""
        return (
            f'<tr class="{classes}" aria-level="{line.depth + 1}"{failed}>'
            f'<td class="upnext-level-{min(line.depth, _MOST_INDENTED)}">'
            f'<a href="{self._before}{quote(job.id)}{self._after}"{current}>{self._name(job.name)}</a>'
            f"{tags}</td><td>{self._pill(job.status)}</td>"
            f'<td class="upnext-right">{seconds(waited)}</td>'
            f'<td class="upnext-right">{seconds(job.ran_s)}</td>'
            f'<td class="upnext-timeline">{self._svg}{self._gaps}{drawn}</svg></td></tr>'
        )

    def _group(self, line: GroupLine) -> str:
        is_open = line.key in self._opened
        hidden = line.count - line.shown
        rest = ""
        if is_open and hidden:
            rest = f' <a href="{escape(self._more_url)}">{escape(_("show more"))}</a>'
        elif hidden:
            said = ngettext("one more folded", "%(hidden)s more folded", hidden) % {
                "hidden": localize(hidden)
            }
            rest = _note(said)
        counts = [
            f"{self._pill(status)} {localize(count)}"
            for status, count in (("failed", line.failed), ("active", line.live))
            if count
        ]
        drawn = "".join(
            f'<rect class="upnext-bar-{bar.kind}" x="{bar.x:.1f}" y="3" width="{bar.width:.1f}" height="10" '
            f'fill-opacity="{0.25 + 0.75 * bar.strength:.2f}"/>'
            for bar in density(line.jobs, self._scale, self._now)
        )
        return (
            f'<tr class="upnext-group" aria-level="{line.depth + 1}" aria-expanded="{str(is_open).lower()}">'
            f'<td class="upnext-level-{min(line.depth, _MOST_INDENTED)}">'
            f'<a href="{escape(self._toggle_url(line.key))}">'
            f'<span aria-hidden="true">{"▾" if is_open else "▸"}</span> '
            f"{self._name(line.name)} \N{MULTIPLICATION SIGN} {localize(line.count)}</a>{rest}</td>"
            f"<td>{' '.join(counts) or self._pill('complete')}</td>"
            f'<td class="upnext-right"></td><td class="upnext-right" title="{escape(_("median"))}">'
            f"{escape(_('p50'))} {seconds(line.median_s)}</td>"
            f'<td class="upnext-timeline">{self._svg}{drawn}</svg></td></tr>'
        )

    def _bar(self, bar: Bar) -> str:
        said = _WORDS.get(bar.kind, bar.kind)
        title = f"{said}, {seconds(bar.seconds)}" if bar.seconds else said
        y, height = (7, 2) if bar.kind in _THIN else (3, 10)
        return (
            f'<rect class="upnext-bar-{escape(bar.kind)}" x="{bar.x:.1f}" y="{y}" width="{bar.width:.1f}" '
            f'height="{height}"><title>{escape(title)}</title></rect>'
        )

    def _pill(self, status: str) -> str:
        found = self._pills.get(status)
        if found is None:
            found = self._pills[status] = pill(status)
        return found

    def _name(self, name: str) -> str:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = escape(visible(name))
        return found


def _note(text: str) -> str:
    return f' <span class="upnext-note">{escape(text)}</span>'
