"""Every page of the admin to open, from the URLconf and from the filters that the lists themselves offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.admin.addresses import addresses
from tests.benchmarks.history.visit import Visit
from upnext_django.models import DeadLetterRecord, JobRecord

__all__ = ["client", "visits"]

JOBS = "jobrecord"
#: Filters of jobs beside which every other one is opened too.
BESIDE: tuple[dict[str, str], ...] = (
    {},
    {"when": "all"},
    {"when": "7d"},
    {"when": "all", "status__exact": "failed"},
    {"when": "all", "level": "top"},
)
_FILTERS = re.compile(r'id="changelist-filter".*?</nav>', re.DOTALL)
_LINK = re.compile(r'<a href="\?([^"]*)"')
_ACTIONS = re.compile(r'<select name="action".*?</select>', re.DOTALL)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def client() -> Client:
    """Return the browser of a superuser."""
    settings.ALLOWED_HOSTS = ["*"]
    user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
    # On a busy machine a page may give up: that is told, and the others are opened.
    made = Client(raise_request_exception=False)
    made.force_login(user)
    return made


def visits(client: Client) -> list[Visit]:
    """Return every page once, the plain ones first."""
    found = dict.fromkeys(_plain())
    for one in [*_filtered(client), *_searches(), *_parts(), *_questions(client)]:
        found.setdefault(one)
    return list(found)


def _plain() -> Iterator[Visit]:
    for name, path in addresses().items():
        yield Visit(name.removeprefix("upnext_"), "", path)


def _list(model: str, query: dict[str, str], form: dict[str, str] | None = None, asked: str = "") -> Visit:
    path = reverse(f"admin:upnext_{model}_changelist")
    said = asked or " ".join(f"{name}={_ID.sub('JOB', value)}" for name, value in sorted(query.items()))
    return Visit(f"{model}_changelist", said, f"{path}?{urlencode(query)}" if query else path, form)


def _filtered(client: Client) -> Iterator[Visit]:
    """Give each choice that each list offers, those of jobs beside some others too."""
    for model in admin.site._registry:
        name = str(model._meta.model_name)
        if model._meta.app_label != "upnext" or not getattr(admin.site._registry[model], "list_filter", ()):
            continue
        for beside in BESIDE if name == JOBS else ({},):
            html = client.get(_list(name, beside).path).content.decode()
            offered = _FILTERS.search(html)
            for query in _LINK.findall(offered[0] if offered else ""):
                yield _list(name, dict(parse_qsl(unescape(query))))


def _searches() -> Iterator[Visit]:
    job = JobRecord.objects.order_by("id")[500_000 % JobRecord.objects.order_by("id")[:600_000].count()]
    letter = DeadLetterRecord.objects.order_by("job_id").first()
    assert letter is not None
    for asked, term in (
        ("an id", job.pk),
        ("the beginning of an id", job.pk[:8]),
        ("the beginning of many ids", job.pk[:5]),
        ("an id that nobody has", f"{job.pk[:-1]}x"),
        ("part of a task's name", "resize"),
        ("part of every task's name", "e"),
        ("what is nowhere", "nothing has this name"),
        ("an argument by place", "args.0:999990"),
        ("an argument by name", "kwargs.order_id:7"),
        ("an argument that no job has", "kwargs.order_id:7777777"),
        ("an argument of no name", "kwargs.nobody:1"),
    ):
        yield _list(JOBS, {"q": term}, asked=f"search for {asked}")
        yield _list(
            JOBS, {"q": term, "when": "all", "status__exact": "failed"}, asked=f"search for {asked}, failed"
        )
    yield _list("artifactrecord", {"q": job.pk}, asked="search for a job")
    yield _list("functionrecord", {"q": "resize"}, asked="search")
    for asked, query in (("before", {"before": job.pk}), ("after", {"after": job.pk})):
        yield _list(JOBS, {"when": "all", **query}, asked=f"{asked} the middle")
        yield _list(JOBS, {"when": "all", "level": "top", **query}, asked=f"top, {asked} the middle")
    yield _list(JOBS, {"when": "all", "p": "200"}, asked="the last numbered page")
    yield _list(JOBS, {"parent_id": str(job.root_id)}, asked="children of a job")
    yield _list("deadletterrecord", {"before": letter.job_id, "decision": "all"}, asked="before the oldest")


def _parts() -> Iterator[Visit]:
    """Give the pages that show something else with other parameters, and those of the largest tree."""
    for window in ("hour", "day", "week"):
        yield Visit(
            "overview", f"window={window}", f"{reverse('admin:upnext_overview_changelist')}?window={window}"
        )
    for window in ("day", "week", "all"):
        yield Visit(
            "failure", f"window={window}", f"{reverse('admin:upnext_failure_changelist')}?window={window}"
        )
    newest = JobRecord.objects.order_by("-created_at")[0]
    for name in ("change", "tree", "tree_data", "tree_cancel", "tree_retry"):
        path = reverse(f"admin:upnext_jobrecord_{name}", args=[newest.root_id])
        yield Visit(f"jobrecord_{name}", "of the largest tree", path)
    tree = reverse("admin:upnext_jobrecord_tree", args=[newest.root_id])
    yield Visit("jobrecord_tree", "of the largest tree, every job", f"{tree}?all=1")
    yield Visit("jobrecord_tree", "of the largest tree, every job, its last page", f"{tree}?all=1&page=10")
    failed = JobRecord.objects.filter(status="failed").order_by("-id")[0]
    yield Visit("jobrecord_change", "that failed", reverse("admin:upnext_jobrecord_change", args=[failed.pk]))


def _questions(client: Client) -> Iterator[Visit]:
    """Give the page that asks before an action is done to all that match."""
    for model, query in (
        (JOBS, {}),
        (JOBS, {"when": "all"}),
        (JOBS, {"when": "all", "status__exact": "failed"}),
        ("deadletterrecord", {}),
    ):
        offered = _ACTIONS.search(client.get(_list(model, query).path).content.decode())
        row = (JobRecord if model == JOBS else DeadLetterRecord)._default_manager.order_by("-pk")[0]
        for action in re.findall(r'<option value="(\w+)"', offered[0] if offered else ""):
            form = {"action": action, "select_across": "1", "index": "0", "_selected_action": str(row.pk)}
            said = " ".join(f"{name}={value}" for name, value in sorted(query.items()))
            yield _list(model, query, form, f"{action} all {said}".strip())
