"""The execution tree of a job in the admin: a waterfall of the whole workflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from upnext_django.admin import acting, many
from upnext_django.admin.display import seconds
from upnext_django.admin.many import Question, act_on_all
from upnext_django.admin.page import Crumb
from upnext_django.admin.tree_rows import TreeRows
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.models import JobRecord
from upnext_django.operations import jobs as actions
from upnext_django.operations.bulk.selection import Clause, Selection, narrowed
from upnext_django.operations.bulk.verb import BulkVerb
from upnext_django.operations.scope import is_bounded, scoped
from upnext_django.operations.tree import jobs as reading
from upnext_django.operations.tree.bars import bars
from upnext_django.operations.tree.critical import critical_path
from upnext_django.operations.tree.fold import lines
from upnext_django.operations.tree.order import Branch, branches, walk
from upnext_django.operations.tree.scale import WIDTH, Scale, scale_of

if TYPE_CHECKING:
    from upnext_django.admin.job import JobRecordAdmin

__all__ = ["TreePages"]

#: Lines of one page; what is more comes on the next, or by the script's list.
_LINES = 1_000
_OPENED = 50
_MORE = 200


@dataclass(frozen=True, slots=True)
class _Layout:
    tree: reading.Tree
    tops: list[Branch]
    scale: Scale
    critical: frozenset[str]
    now: float


class TreePages:
    """The pages below ``<job>/tree/`` of one JobRecordAdmin."""

    def __init__(self, jobs: JobRecordAdmin) -> None:
        self._jobs = jobs

    def urls(self) -> list[URLPattern]:
        """Return their patterns, each checking its permissions."""
        path = self._jobs.page_path
        return [
            path("<path:object_id>/tree/", self.page, "tree"),
            path("<path:object_id>/tree.json", self.data, "tree_data"),
            path("<path:object_id>/tree/cancel/", self.cancel, "tree_cancel", "cancel"),
            path("<path:object_id>/tree/retry/", self.retry, "tree_retry", "retry"),
        ]

    def page(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show the tree that a job belongs to. Raises Http404 for a job without a row."""
        job = self._job(request, object_id)
        whole = request.GET.get("gaps") == "1"
        every = request.GET.get("all") == "1"
        layout = self._layout(request, job, cut=not whole)
        size = max(_OPENED, min(_whole_number(request.GET.get("size"), _OPENED), reading.MOST))
        opened = dict.fromkeys(request.GET.getlist("open"), size)
        found = lines(layout.tops, critical=layout.critical, opened=opened, fold=not every)
        number = max(1, _whole_number(request.GET.get("page"), 1))
        begin = (number - 1) * _LINES
        counts: dict[str, int] = {}
        for one in layout.tree.jobs.values():
            counts[one.status] = counts.get(one.status, 0) + 1
        live = sum(count for status, count in counts.items() if status not in TERMINAL)
        return self._jobs.page(
            request,
            "admin/upnext/jobrecord/tree.html",
            title=_("Tree of %(task)s") % {"task": job.function_name or job.pk},
            trail=[self._crumb(job)],
            job=job,
            rows=self._rows(request, layout, job, size).html(found[begin : begin + _LINES]),
            total=len(layout.tree.jobs),
            truncated=layout.tree.truncated,
            counts=sorted(counts.items()),
            failed=counts.get("failed", 0),
            live=live,
            span=seconds(layout.scale.end - layout.scale.start),
            width=int(WIDTH),
            ticks=_ticks(layout.scale),
            gaps=len(layout.scale.gaps),
            every=every,
            whole=whole,
            earlier=self._link(request, page=number - 1) if number > 1 else None,
            later=self._link(request, page=number + 1) if begin + _LINES < len(found) else None,
            toggles=self._toggles(request, every=every, whole=whole),
            data_url=self._url("tree_data", job),
            is_long=len(layout.tree.jobs) > _LINES,
            may_cancel=live > 0 and self._jobs.has_cancel_permission(request),
            may_retry=counts.get("failed", 0) > 0 and self._jobs.has_retry_permission(request),
            cancel_url=self._url("tree_cancel", job),
            retry_url=self._url("tree_retry", job),
        )

    def data(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Return every job of the tree as columns, for the list that the page's script draws.

        A row is [depth, name, status, id, 1 if critical, ran seconds, bars]; names and statuses are places in
        the lists beside it, a bar is [kind, x, width].
        """
        job = self._job(request, object_id)
        layout = self._layout(request, job, cut=request.GET.get("gaps") != "1")
        names: dict[str, int] = {}
        kinds: dict[str, int] = {}
        rows = []
        for depth, branch in walk(layout.tops):
            one = branch.job
            drawn = [
                [kinds.setdefault(bar.kind, len(kinds)), round(bar.x, 1), round(bar.width, 1)]
                for bar in bars(one, layout.scale, layout.now)
            ]
            rows.append(
                [
                    depth,
                    names.setdefault(one.name, len(names)),
                    kinds.setdefault(one.status, len(kinds)),
                    one.id,
                    int(one.id in layout.critical),
                    None if one.ran_s is None else round(one.ran_s, 3),
                    drawn,
                ]
            )
        columns = {"names": list(names), "kinds": list(kinds), "rows": rows, "here": job.pk}
        return JsonResponse(columns, json_dumps_params={"separators": (",", ":")})

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then cancel what is live in the tree: as Redis has it, or if it is much as the history has."""
        job = self._job(request, object_id)
        back = self._url("tree", job)
        live = self._members(request, job).exclude(status__in=TERMINAL)[: many.AT_ONCE + 1].count()
        question = Question(
            verb=BulkVerb.CANCEL,
            title=_("Cancel the tree?"),
            question=_(
                "All jobs of the tree that have not ended are cancelled: those that wait never run, those "
                "that run are asked to stop."
            ),
            button=_("Yes, cancel the tree"),
            dangerous=True,
        )
        # The order to cancel a tree goes to all of it, and the user may see a part.
        if live > many.AT_ONCE or is_bounded(request):
            return self._act_on_all(request, job, question)
        if acting.is_confirmed(request):

            def cancel() -> str:
                hit = actions.cancel(job.root_id or job.pk, tree=True, by=request.user)
                return (
                    _("The tree is being cancelled.") if hit else _("Nothing in the tree was live any more.")
                )

            acting.attempt(request, cancel)
            return HttpResponseRedirect(back)
        return acting.confirm(
            self._jobs,
            request,
            title=question.title,
            question=question.question,
            button=question.button,
            back=back,
            dangerous=True,
            trail=[self._crumb(job)],
        )

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then make a new job from each that failed in the tree."""
        question = Question(
            verb=BulkVerb.RETRY,
            title=_("Retry what failed?"),
            question=_("A new job is made, with the same arguments, from each that failed in this tree."),
            button=_("Yes, retry"),
        )
        job = self._job(request, object_id)
        return self._act_on_all(request, job, question, (_("failed"), {"status": str(JobStatus.FAILED)}))

    def _act_on_all(
        self, request: HttpRequest, job: JobRecord, question: Question, *also: tuple[str, Mapping[str, str]]
    ) -> HttpResponseBase:
        back = self._url("tree", job)
        selection = Selection(
            clauses=[_tree_of(job), *([one] for _said, one in also)],
            words=[_("tree of %(task)s") % {"task": str(job)}, *(said for said, _one in also)],
        ).bounded(JobRecord)
        asked = act_on_all(self._jobs, request, selection, question, back=back, trail=[self._crumb(job)])
        return asked or HttpResponseRedirect(back)

    # -- inside

    def _job(self, request: HttpRequest, object_id: str) -> JobRecord:
        columns = ("id", "root_id", "function_name")
        job = self._jobs.get_queryset(request).filter(pk=object_id).only(*columns).first()
        if job is None:
            raise Http404(f"The history has no job {object_id}.")
        if not self._jobs.has_view_permission(request, job):
            raise PermissionDenied
        assert isinstance(job, JobRecord)
        return job

    def _members(self, request: HttpRequest, job: JobRecord) -> QuerySet[JobRecord]:
        rows = JobRecord.objects.using(job._state.db or "default")
        return narrowed(scoped(request, rows), [_tree_of(job)])

    def _tree(self, request: HttpRequest, job: JobRecord) -> reading.Tree:
        """Return the part of the job's tree that the user may see."""
        using = job._state.db or "default"
        among = scoped(request, JobRecord.objects.using(using))
        return reading.read(job.root_id or job.pk, using=using, among=among)

    def _layout(self, request: HttpRequest, job: JobRecord, *, cut: bool) -> _Layout:
        tree = self._tree(request, job)
        now = time.time()
        tops = branches(tree)
        scale = scale_of(reading.spans(tree.jobs.values(), now), cut=cut)
        path = critical_path(tops[0]) if tops and len(tree.jobs) > 1 else frozenset[str]()
        return _Layout(tree, tops, scale, path, now)

    def _rows(self, request: HttpRequest, layout: _Layout, job: JobRecord, size: int) -> TreeRows:
        return TreeRows(
            layout.scale,
            layout.now,
            here=job.pk,
            job_url=lambda job_id: self._jobs.url("upnext_jobrecord_change", job_id),
            toggle_url=lambda key: self._link(request, toggle=key),
            more_url=self._link(request, size=size + _MORE),
            opened=request.GET.getlist("open"),
        )

    def _link(self, request: HttpRequest, *, toggle: str | None = None, **changed: Any) -> str:
        """Return the address of this page with some of its parameters changed; None leaves one out."""
        opened = request.GET.getlist("open")
        if toggle is not None:
            opened = [key for key in opened if key != toggle] if toggle in opened else [*opened, toggle]
        kept = {name: request.GET[name] for name in ("all", "gaps", "size", "page") if name in request.GET}
        pairs = [(name, value) for name, value in {**kept, **changed}.items() if value is not None]
        return f"?{urlencode([*pairs, *(('open', key) for key in opened)])}"

    def _toggles(self, request: HttpRequest, *, every: bool, whole: bool) -> list[tuple[str, str]]:
        return [
            (
                self._link(request, all=None if every else 1, page=None),
                _("Fold what is alike") if every else _("Show every job"),
            ),
            (
                self._link(request, gaps=None if whole else 1),
                _("Cut idle stretches") if whole else _("Show idle stretches at length"),
            ),
        ]

    def _url(self, name: str, job: JobRecord) -> str:
        return self._jobs.url(f"upnext_jobrecord_{name}", job.pk)

    def _crumb(self, job: JobRecord) -> Crumb:
        return self._jobs.url("upnext_jobrecord_change", job.pk), str(job)


def _tree_of(job: JobRecord) -> Clause:
    top = job.root_id or job.pk
    return [{"pk": top}, {"root_id": top, "parent_id__isnull": False}]


def _ticks(scale: Scale) -> list[str]:
    """Return the marks of the scale, evenly spread: the time since its start at each."""
    return [seconds(scale.moment(WIDTH * part / 4) - scale.start) for part in range(5)]


def _whole_number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else default
