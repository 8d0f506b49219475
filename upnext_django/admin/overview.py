"""The page an operator opens first: is it well, what waits, what needs a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from upnext_django.admin import charts
from upnext_django.admin.live import changes
from upnext_django.admin.pace import of_queues, pace
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import DeadLetterRecord, JobRecord, Overview, Schedule
from upnext_django.operations import live, stats
from upnext_django.operations.function_part import known_functions
from upnext_django.operations.health import report
from upnext_django.operations.health.finding import Finding, State
from upnext_django.operations.live import QueuePicture
from upnext_django.operations.looking import look
from upnext_django.operations.queue_part import PartOfQueue, visible_queues
from upnext_django.operations.scope import is_part, scoped, visible_statistics
from upnext_django.operations.stats import Counts, Window
from upnext_django.operations.timetable import ScheduleInfo, upcoming

__all__ = ["OverviewAdmin"]

_RECENT = 10
_NEXT = 5
_FAILING = 5
_COUNTED = 10_000
_OF_NO_JOB = ("settings", "redis", "database")
_WORST = {State.FAIL: 0, State.WARN: 1, State.UNKNOWN: 2, State.OK: 3}
_WINDOWS = {"hour": Window.HOUR, "day": Window.DAY, "week": Window.WEEK}
_NARROW = ("id", "function_name", "status", "queue", "created_at", "started_at", "completed_at")


@dataclass(frozen=True, slots=True)
class _Look:
    """Something that needs a look: how bad, what, and where it is seen."""

    state: str
    text: str
    fix: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Past:
    """What the page shows of the history; ``counts`` is None where they count jobs of others too.

    ``ended`` is the pace of each queue, ``upcoming`` are the schedules that run next.
    """

    counts: Counts | None
    rate: str
    charts: Sequence[Any]
    looks: Sequence[_Look]
    recent: Sequence[dict[str, Any]]
    upcoming: Sequence[ScheduleInfo]
    ended: Mapping[str, str]


@admin.register(Overview)
class OverviewAdmin(ReadOnlyAdmin):
    """One page instead of a list."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("", self.overview, "changelist"),
            self.page_path("changes/", changes, "changes"),
        ]

    def overview(self, request: HttpRequest) -> HttpResponseBase:
        """Show it over ``?window=hour``, ``day`` or ``week``."""
        chosen = request.GET.get("window", "hour")
        window = _WINDOWS.get(chosen, Window.HOUR)
        findings = report.examine(_families(request))
        queues, away = look(lambda: visible_queues(request, live.queues()))
        past, missing = look(lambda: self._past(request, window))
        return self.page(
            request,
            "admin/upnext/overview.html",
            title=_("Overview"),
            health=_strip(findings),
            queues=queues or (),
            is_part=is_part(request),
            away=away,
            missing=missing,
            past=past,
            windows=[
                ("hour", _("last hour"), window is Window.HOUR),
                ("day", _("last 24 hours"), window is Window.DAY),
                ("week", _("last 7 days"), window is Window.WEEK),
            ],
            looks=[
                *_of_findings(findings),
                *(past.looks if past is not None else ()),
                *self._of_queues(queues or ()),
            ],
            now=timezone.localtime(),
        )

    def _past(self, request: HttpRequest, window: Window) -> _Past:
        """Return what the history has to say. Raises DatabaseError if it cannot be asked."""
        among = visible_statistics(request)
        looks, recent = self._of_letters(request), self._recent(request)
        runs = self._upcoming(request)
        if among is None:
            return _Past(counts=None, rate="", charts=(), looks=looks, recent=recent, upcoming=runs, ended={})
        points = stats.series(window, among=among)
        counts = stats.total(points)
        return _Past(
            counts=counts,
            rate=pace(counts, window),
            charts=[
                charts.throughput(points, window, _("Jobs that ended")),
                charts.durations(points, window, _("How long attempts ran")),
            ],
            looks=[*self._of_functions(stats.by_function(Window.DAY, among=among)), *looks],
            recent=recent,
            upcoming=runs,
            ended=of_queues(request, window),
        )

    def _recent(self, request: HttpRequest) -> Sequence[dict[str, Any]]:
        jobs = scoped(request, JobRecord.objects.order_by("-id").only(*_NARROW))[:_RECENT]
        return [{"job": job, "url": self.url("upnext_jobrecord_change", job.pk)} for job in jobs]

    def _upcoming(self, request: HttpRequest) -> Sequence[ScheduleInfo]:
        if not self.may(request, "view_schedule"):
            return ()
        rows = scoped(request, Schedule.objects.all())
        return upcoming(rows, most=_NEXT, functions=known_functions(request))

    def _of_functions(self, by_function: Any) -> list[_Look]:
        failing = sorted(
            ((name, counts) for name, counts in by_function.items() if counts.failed),
            key=lambda pair: -pair[1].failed,
        )
        return [
            _Look(
                "failed",
                _("%(function)s failed %(failed)d times in 24 hours; %(share)d %% succeed.")
                % {"function": name, "failed": counts.failed, "share": round(100 * (counts.success or 0.0))},
                url=self._jobs(function=name, status__exact="failed"),
            )
            for name, counts in failing[:_FAILING]
        ]

    def _of_letters(self, request: HttpRequest) -> list[_Look]:
        waiting = DeadLetterRecord.objects.filter(replayed_as=None, discarded_at=None)
        count = scoped(request, waiting)[: _COUNTED + 1].count()
        if not count:
            return []
        day_ago = timezone.now() - timedelta(days=1)
        # By the index on the time: by key every older one would be looked at.
        newest = waiting.filter(failed_at__gte=day_ago).order_by("-failed_at")
        fresh = scoped(request, newest)[: _COUNTED + 1].count()
        text = _("%(count)s dead letters wait for a decision, %(fresh)s of them from the last 24 hours.")
        return [
            _Look(
                "warn",
                text % {"count": _capped(count), "fresh": _capped(fresh)},
                url=self.url("upnext_deadletterrecord_changelist"),
            )
        ]

    def _of_queues(self, queues: Sequence[QueuePicture | PartOfQueue]) -> list[_Look]:
        looks = []
        for queue in queues:
            for function in queue.functions:
                for standing, count in function.standings:
                    # What only waits its turn is no trouble.
                    if standing.reason in ("slots", "behind", "starting", "rate", "cap"):
                        continue
                    looks.append(
                        _Look(
                            "warn",
                            _("%(count)d jobs of %(function)s in queue %(queue)s wait: %(why)s")
                            % {
                                "count": count,
                                "function": function.function,
                                "queue": queue.name,
                                "why": standing.text,
                            },
                            standing.way_out,
                            self._jobs(function=function.function, status__exact="queued"),
                        )
                    )
        return looks

    def _jobs(self, **filters: str) -> str:
        return f"{self.url('upnext_jobrecord_changelist')}?{urlencode(filters)}"


def _families(request: HttpRequest) -> Sequence[tuple[str, report.Family]]:
    """Return whose health the user is told: numbers of all jobs are for who may see them all."""
    return [one for one in report.FAMILIES if one[0] in _OF_NO_JOB] if is_part(request) else report.FAMILIES


def _strip(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return one field a family of checks: its worst state and what was found there."""
    by_name: dict[str, Finding] = {}
    for finding in findings:
        known = by_name.get(finding.name)
        if known is None or _WORST[finding.state] < _WORST[known.state]:
            by_name[finding.name] = finding
    return [{"name": name, "finding": finding} for name, finding in by_name.items()]


def _of_findings(findings: Sequence[Finding]) -> list[_Look]:
    return [
        _Look(
            "failed" if finding.state is State.FAIL else "warn",
            f"{finding.name}: {finding.found}",
            finding.fix,
        )
        for finding in findings
        # Those have a line of their own, with a link.
        if finding.state in (State.FAIL, State.WARN) and finding.name != "dead letters"
    ]


def _capped(count: int) -> str:
    return f"{_COUNTED:,}+" if count > _COUNTED else f"{count:,}"
