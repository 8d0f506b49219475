"""Schedules that are declared in code: shown above the rows that operators keep, paused, resumed and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern
from django.utils.translation import gettext as _

from upnext_django.admin import acting
from upnext_django.admin.display import visible
from upnext_django.admin.page import PageAdmin
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.models import Schedule
from upnext_django.operations import schedules
from upnext_django.operations.function_part import known_functions
from upnext_django.operations.timetable import ScheduleInfo, declared_timetable

__all__ = ["CronPages", "ShownCron"]

_MISSED = dict(Schedule._meta.get_field("missed_run_policy").flatchoices)


@dataclass(frozen=True, slots=True)
class ShownCron:
    """A schedule with its policy in words, and the address of its last job."""

    info: ScheduleInfo
    missed: str
    job_url: str | None


class CronPages:
    """The part of the list of schedules that the code says, and what can be done to it."""

    def __init__(self, schedules_admin: PageAdmin) -> None:
        self._admin = schedules_admin

    def urls(self) -> list[URLPattern]:
        """Return the addresses of the actions; a name may have slashes in it."""
        return [
            self._admin.page_path("in-code/<path:name>/pause/", self.pause, "cron_pause", "change"),
            self._admin.page_path("in-code/<path:name>/resume/", self.resume, "cron_resume", "change"),
            self._admin.page_path("in-code/<path:name>/run/", self.run, "cron_run", "run"),
        ]

    def shown(self, request: HttpRequest) -> Sequence[ShownCron]:
        """Return those of functions that the user may see."""
        known = known_functions(request)
        sees_jobs = self._admin.may(request, "view_jobrecord")
        return [
            ShownCron(
                info=one,
                missed=_missed(one.missed_run_policy),
                job_url=self._admin.url("upnext_jobrecord_change", one.last_run.job_id)
                if sees_jobs and one.last_run is not None
                else None,
            )
            for one in declared_timetable()
            if known is None or one.function in known
        ]

    def pause(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Let it make no jobs. POST only."""

        def pause() -> str:
            schedules.pause(name, by=request.user)
            return _("Schedule %(name)s is paused.") % {"name": visible(name)}

        return self._done(request, name, pause)

    def resume(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Let it make jobs again. POST only."""

        def resume() -> str:
            schedules.resume(name, by=request.user)
            return _("Schedule %(name)s goes on.") % {"name": visible(name)}

        return self._done(request, name, resume)

    def run(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Submit its job now, paused or not. POST only."""

        def run() -> str:
            job_id = schedules.run_now(name, by=request.user)
            said = _("Schedule %(name)s submitted as job %(job)s.")
            return said % {"name": visible(name), "job": job_id}

        return self._done(request, name, run)

    def _done(self, request: HttpRequest, name: str, act: Callable[[], str]) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if name not in {one.info.name for one in self.shown(request)}:
            raise Http404(f"No cron {visible(name)} is declared in code.")
        acting.attempt(request, act)
        return HttpResponseRedirect(self._admin.url("upnext_schedule_changelist"))


def _missed(policy: str) -> str:
    """Return what happens to runs that were missed, in words."""
    return str(_MISSED.get(MissedRunPolicy(policy).value, policy))
