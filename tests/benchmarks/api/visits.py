"""Every GET of the API, from its schema, and its filters, alone and together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client, override_settings
from django.utils import timezone

from tests.api.reference import schema
from tests.benchmarks.history.filling import LINES
from tests.benchmarks.history.visit import Visit
from upnext_django.api.paging import written_cursor
from upnext_django.models import (
    ArtifactRecord,
    BulkAction,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    Schedule,
)
from upnext_django.models.token import SCOPES
from upnext_django.operations import tokens

__all__ = ["client", "visits"]

_ROOT = "/api/v1"
#: It does not end.
_ENDLESS = "stream_events"
_SEEDED = "upnext_seed.tasks"
#: A value as the report names it, and as it is sent.
_Said = tuple[str, str]


def client() -> Client:
    """Return a program with a superuser's token, which may call as often as it likes."""
    settings.ALLOWED_HOSTS = ["*"]
    override_settings(UPNEXT={**settings.UPNEXT, "API_RATES": {"token": None, "address": None}}).enable()
    user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
    _row, text = tokens.create("bench", owner=user, scopes=SCOPES)
    return Client(headers={"authorization": f"Bearer {text}"}, raise_request_exception=False)


def visits(client: Client) -> list[Visit]:
    """Return every request once, the plain ones first. Raises RuntimeError for a parameter that none has."""
    operations = _operations()
    found = dict.fromkeys(_plain(operations))
    for one in [
        *_jobs(),
        *_statistics(),
        *_trees(),
        *_logs(),
        *_letters(),
        *_artifacts(),
        *_bulk_actions(),
        *_functions(),
    ]:
        found.setdefault(one)
    _check(operations, list(found))
    return list(found)


def _operations() -> dict[str, dict[str, Any]]:
    """Return the GET operations by their path."""
    return {
        path: operations["get"]
        for path, operations in schema()["paths"].items()
        if "get" in operations and operations["get"]["operationId"] != _ENDLESS
    }


def _plain(operations: Mapping[str, Any]) -> Iterator[Visit]:
    for path, operation in operations.items():
        yield Visit(path.removeprefix(f"{_ROOT}/"), "", _filled(path, operation["operationId"]))


def _filled(path: str, operation: str) -> str:
    """Return ``path`` with the key of a row for each of its parameters."""
    newest = JobRecord.objects.filter(status="failed").order_by("-pk")[0]
    letter = DeadLetterRecord.objects.order_by("pk")[0]
    values = {
        "{job_id}": letter.pk if operation == "get_dead_letter" else newest.pk,
        "{artifact_id}": ArtifactRecord.objects.order_by("pk")[0].pk,
        "{worker_id}": "w1",
        "{action_id}": BulkAction.objects.order_by("-pk")[0].pk,
        "{name}": {
            "get_queue": "web",
            "get_schedule": Schedule.objects.order_by("name")[0].name,
        }.get(operation, FunctionRecord.objects.order_by("pk")[0].pk),
    }
    for name, value in values.items():
        path = path.replace(name, quote(str(value)))
    return path


def _list(page: str, given: Mapping[str, _Said], deep: str | None = None) -> Visit:
    """Return a list narrowed by ``given``; ``deep`` is the key that the page before it ended at."""
    said = " ".join(f"{name}={word}" for name, (word, _value) in given.items())
    query = {name: value for name, (_word, value) in given.items()}
    if deep is not None:
        said = f"{said} deep".strip()
        query["cursor"] = written_cursor(deep)
    return Visit(page, said, f"{_ROOT}/{page}?{urlencode(query)}" if query else f"{_ROOT}/{page}")


def _deep(model: type[Model], newer: int) -> str:
    """Return the key that ``newer`` rows of a list stand before, half of them if they are too few."""
    keys = model._default_manager.order_by("-pk").values_list("pk", flat=True)
    return str(keys[min(newer, keys[: 2 * newer].count() // 2)])


def _same(*values: str) -> list[_Said]:
    return [(value.removeprefix(f"{_SEEDED}."), value) for value in values]


def _spans(newest: datetime) -> tuple[list[_Said], list[_Said]]:
    """Return moments from which and before which something was; the last ones leave next to nothing."""
    ages = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
    since = [(f"{name} ago", (newest - age).isoformat()) for name, age in ages.items()]
    before = [(f"{days}d ago", (newest - timedelta(days=days, minutes=-1)).isoformat()) for days in (1, 6, 7)]
    return since, before


def _jobs() -> Iterator[Visit]:
    since, before = _spans(timezone.now())
    keyed = JobRecord.objects.filter(idempotency_key__isnull=False).order_by("-pk")[0]
    child = JobRecord.objects.filter(parent_id__isnull=False).order_by("pk")[0]
    narrow = {
        "status": _same("complete", "failed", "active", "cancelled"),
        "function": [
            *_same(f"{_SEEDED}.send_receipt", f"{_SEEDED}.clean_up"),
            ("unknown", "shop.tasks.none"),
        ],
        "queue": [*_same("web", "mail"), ("unknown", "nobodys")],
        "worker_id": _same("seeded-0", "seeded-4", "nobody"),
        "created_from": since,
        "created_before": before,
    }
    rare: dict[str, list[_Said]] = {
        "schedule": [("nightly 7", "nightly 7"), ("unknown", "none")],
        "idempotency_key": [("KEY", str(keyed.idempotency_key)), ("unknown", "none")],
        "parent_id": [("JOB", str(child.parent_id)), ("unknown", "none")],
        "root_id": [("JOB", str(child.root_id)), ("of the largest tree", _largest()), ("unknown", "none")],
    }
    deep = _deep(JobRecord, 500_000)
    yield _list("jobs", {}, deep)
    yield _list("jobs", {"limit": ("200", "200")})
    yield _list("jobs", {"limit": ("200", "200")}, deep)
    for name, values in {**narrow, **rare}.items():
        for value in values:
            yield _list("jobs", {name: value})
            yield _list("jobs", {name: value}, deep)
    for one, other in combinations(narrow, 2):
        for first in narrow[one]:
            for second in narrow[other]:
                yield _list("jobs", {one: first, other: second})
    for name, values in rare.items():
        yield _list("jobs", {name: values[0], "status": ("failed", "failed")})
    for one, other, third in combinations(("status", "function", "queue", "worker_id", "created_from"), 3):
        for place in (0, 1):
            yield _list("jobs", {name: narrow[name][place] for name in (one, other, third)})
    for place in (0, 1):
        every = {name: values[place] for name, values in narrow.items() if name != "created_before"}
        yield _list("jobs", every)
        yield _list("jobs", {**every, "limit": ("200", "200")}, deep)
    yield _list("jobs", {"created_from": before[1], "created_before": before[0]})
    yield _list(
        "jobs", {"created_from": before[1], "created_before": before[0], "status": narrow["status"][1]}
    )


def _statistics() -> Iterator[Visit]:
    functions = _same(f"{_SEEDED}.send_receipt", f"{_SEEDED}.clean_up")
    for page in ("jobs/stats", "jobs/trends"):
        for window in ("hour", "day", "week"):
            span = {"window": (window, window)}
            yield _list(page, span)
            for function in functions:
                yield _list(page, {**span, "function": function})
            yield _list(page, {**span, "queue": ("web", "web")})
            yield _list(page, {**span, "function": functions[0], "queue": ("web", "web")})


def _largest() -> str:
    return str(JobRecord.objects.order_by("-created_at")[0].root_id)


def _trees() -> Iterator[Visit]:
    small = JobRecord.objects.filter(parent_id__isnull=False).order_by("pk")[0]
    largest = quote(_largest())
    yield Visit("jobs/{job_id}/tree", "of twenty", f"{_ROOT}/jobs/{small.pk}/tree")
    yield Visit("jobs/{job_id}/tree", "of the largest tree, 1,000 jobs", f"{_ROOT}/jobs/{largest}/tree")
    yield Visit(
        "jobs/{job_id}/tree", "of the largest tree, all 10,000", f"{_ROOT}/jobs/{largest}/tree?limit=10000"
    )
    yield Visit("jobs/{job_id}", "of the largest tree", f"{_ROOT}/jobs/{largest}")


def _logs() -> Iterator[Visit]:
    longest = LogRecord.objects.order_by("-seq")[0].job_id
    page = f"jobs/{longest}/logs"
    middle = written_cursor(f"{10 + LINES // 100}.49")
    for said, query in (
        ("of a long log", {}),
        ("of a long log, 200 lines", {"limit": "200"}),
        ("of a long log, deep", {"cursor": middle}),
        ("of a long log, errors", {"level": "error"}),
        ("of a long log, errors, deep", {"level": "error", "cursor": middle}),
        ("of a long log, no such level", {"level": "debug"}),
    ):
        yield Visit("jobs/{job_id}/logs", said, f"{_ROOT}/{page}?{urlencode(query)}")


def _letters() -> Iterator[Visit]:
    since, before = _spans(timezone.now())
    prints = DeadLetterRecord.objects.order_by("-pk").values_list("fingerprint", flat=True)
    narrow = {
        "function": [
            *_same(f"{_SEEDED}.send_receipt", f"{_SEEDED}.clean_up"),
            *((f"bare {name}", name) for name in ("send_receipt", "clean_up")),
            ("unknown", "none"),
        ],
        "queue": [*_same("web", "reports"), ("unknown", "nobodys")],
        "error_type": [*_same("ValueError", "KeyError"), ("unknown", "NoSuchError")],
        "fingerprint": [("PRINT", prints[0]), ("unknown", "0" * 16)],
        "failed_from": since,
        "failed_before": before,
    }
    deep = _deep(DeadLetterRecord, 50_000)
    for decision in _same("open", "replayed", "discarded", "all"):
        yield _list("dlq", {"decision": decision})
        yield _list("dlq", {"decision": decision}, deep)
        for name, values in narrow.items():
            for value in values:
                yield _list("dlq", {"decision": decision, name: value})
        yield _list("dlq", {"decision": decision, "limit": ("200", "200")})
    for one, other in combinations(narrow, 2):
        for first in narrow[one]:
            for second in (narrow[other][0], narrow[other][-1]):
                yield _list("dlq", {one: first, other: second})
    for place in (0, 1):
        yield _list(
            "dlq", {name: values[place] for name, values in narrow.items() if name != "failed_before"}
        )


def _artifacts() -> Iterator[Visit]:
    newest = ArtifactRecord.objects.order_by("-pk")[0]
    deep = _deep(ArtifactRecord, 10_000)
    kinds = _same("text", "csv", "pdf")
    for given in [
        {},
        {"limit": ("200", "200")},
        *({"artifact_type": kind} for kind in kinds),
        {"job_id": ("JOB", newest.job_id)},
        {"job_id": ("unknown", "none")},
        {"job_id": ("JOB", newest.job_id), "artifact_type": kinds[2]},
    ]:
        yield _list("artifacts", given)
        yield _list("artifacts", given, deep)


def _bulk_actions() -> Iterator[Visit]:
    yield _list("bulk-actions", {"limit": ("200", "200")})
    yield _list("bulk-actions", {}, str(BulkAction.objects.order_by("-pk")[500].pk))


def _functions() -> Iterator[Visit]:
    first = FunctionRecord.objects.order_by("pk")[0].pk
    yield _list("functions", {"limit": ("200", "200")})
    yield _list("functions", {}, first)
    for name in ("send_receipt", "clean_up"):
        yield Visit("functions/{name}", name, f"{_ROOT}/functions/{_SEEDED}.{name}")


def _check(operations: Mapping[str, Any], found: list[Visit]) -> None:
    """Raise RuntimeError if a query parameter of the schema is in none of the requests."""
    known = {
        (path.removeprefix(f"{_ROOT}/"), one["name"])
        for path, operation in operations.items()
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    }
    sent = {(visit.page, name) for visit in found for name, _ in parse_qsl(urlsplit(visit.path).query)}
    if known - sent:
        missing = ", ".join(f"{name} of {page}" for page, name in sorted(known - sent))
        raise RuntimeError(f"Not measured: {missing}. Add a request with it to {__name__}.")
