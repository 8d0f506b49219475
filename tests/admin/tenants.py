"""Rules of a project with tenants, and fixtures that set them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import override_settings

from upnext_django.models import (
    AttemptRecord,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    Schedule,
    Secret,
    StatRecord,
    WorkerRecord,
)

__all__ = [
    "OURS",
    "THEIRS",
    "all_for_root",
    "all_that_is_blue",
    "either_rule",
    "no_lines",
    "only_the_blue_queue",
    "rule_of_lines",
    "short_rule",
    "whole_rule",
]

OURS, THEIRS = "blue.tasks.pay", "red.tasks.refund"


def only_the_blue_queue(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(queue="blue") if rows.model is JobRecord else rows


def all_that_is_blue(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rule of a project that thought of everything; its superusers see everything."""
    if rows.model in (JobRecord, DeadLetterRecord, StatRecord, FunctionRecord):
        return rows.filter(queue="blue")
    if rows.model in (Schedule, Secret):
        return rows.filter(name__startswith="blue")
    if rows.model is WorkerRecord:
        return rows.filter(id__startswith="blue")
    return rows


def all_for_root(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows if request.user.get_username() == "root" else all_that_is_blue(request, rows)


@pytest.fixture(params=[only_the_blue_queue, all_that_is_blue], ids=lambda rule: str(rule.__name__))
def either_rule(request: pytest.FixtureRequest) -> Iterator[None]:
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.{request.param.__name__}"}):
        yield


@pytest.fixture
def short_rule() -> Iterator[None]:
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.only_the_blue_queue"}):
        yield


@pytest.fixture
def whole_rule() -> Iterator[None]:
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.all_that_is_blue"}):
        yield


def no_lines(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rule of a project whose operators may not read what jobs wrote and where they failed."""
    return rows.none() if rows.model in (LogRecord, AttemptRecord) else rows


@pytest.fixture
def rule_of_lines() -> Iterator[None]:
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.no_lines"}):
        yield
