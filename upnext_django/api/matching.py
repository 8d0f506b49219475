"""Which jobs or dead letters an action on many is about."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from upnext_django import conf
from upnext_django.api.params import Body, Moment, Name
from upnext_django.api.problems import wrong
from upnext_django.core.lifecycle import JobStatus
from upnext_django.operations import history
from upnext_django.operations.bulk.selection import Clause, Selection

__all__ = ["JobsThatMatch", "LettersThatMatch", "Matching", "lookups"]


class Matching(Body):
    """Filters of which all must hold; at least one is needed, so that nobody means everything by mistake."""

    def selection(self) -> Selection:
        """Return the rows that match, up to now. Raises ProblemError if nothing narrows them."""
        given = self.model_dump(exclude_none=True, mode="json")
        if not given:
            raise wrong("body", f"give at least one of {', '.join(type(self).model_fields)}")
        clauses: list[Clause] = [[_plain(self._lookups(name))] for name in given]
        return Selection(clauses=clauses, words=[f"{name}: {value}" for name, value in given.items()])

    def _lookups(self, name: str) -> dict[str, Any]:
        return lookups(name, getattr(self, name))


class JobsThatMatch(Matching):
    """Which jobs are meant: those that match all that is given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"function": "shop.tasks.pay", "status": "failed"}]}
    )

    status: JobStatus | None = None
    function: Name | None = None
    queue: Name | None = None
    parent_id: Name | None = None
    root_id: Name | None = None
    schedule: Name | None = None
    worker_id: Name | None = None
    error_type: Name | None = None
    created_from: Moment | None = None
    created_before: Moment | None = None

    def _lookups(self, name: str) -> dict[str, Any]:
        match name:
            case "created_from":
                assert self.created_from is not None
                return history.since(self.created_from, using=conf.get().database)
            case "created_before":
                assert self.created_before is not None
                return history.before(self.created_before)
        return super()._lookups(name)


class LettersThatMatch(Matching):
    """Which open dead letters are meant: those that match all that is given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"function": "shop.tasks.pay", "error_type": "TimeoutError"}]}
    )

    function: Name | None = None
    queue: Name | None = None
    error_type: Name | None = None
    fingerprint: Name | None = None
    failed_from: Moment | None = None
    failed_before: Moment | None = None


def lookups(name: str, value: Any) -> dict[str, Any]:
    """Return what the filter ``name`` asks of rows: a function is its identity or its bare name."""
    match name:
        case "function":
            return {"function" if "." in value else "function_name": value}
        case "failed_from":
            return {"failed_at__gte": value}
        case "failed_before":
            return {"failed_at__lt": value}
    return {name: value}


def _plain(lookups: dict[str, Any]) -> dict[str, Any]:
    """Return them as an action keeps them: times as text."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in lookups.items()
    }
