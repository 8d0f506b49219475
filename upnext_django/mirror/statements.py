"""The SQL that merges rows into the history, for SQLite and PostgreSQL.

Each rule gives the same row whatever order the batches of a job come in, and the same again when a
batch is repeated. Progress and checkpoint alone rely on the order of the stream: an older batch
never overwrites a newer one there, but of two older ones the first to come stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import msgspec

from upnext_django.core.lifecycle import TERMINAL
from upnext_django.mirror.rows import ArtifactRow, AttemptRow, CursorRow, JobRow, LogRow, StatRow
from upnext_django.models import (
    ArtifactRecord,
    AttemptRecord,
    DeadLetterRecord,
    JobRecord,
    LogRecord,
    StatCursor,
    StatRecord,
)

__all__ = [
    "Statement",
    "artifacts",
    "attempts",
    "cursors",
    "dead_letters",
    "discards",
    "functions",
    "handbacks",
    "jobs",
    "logs",
    "prints",
    "replays",
    "stats",
]

_JOBS = JobRecord._meta.db_table
_ATTEMPTS = AttemptRecord._meta.db_table
_LOGS = LogRecord._meta.db_table
_ARTIFACTS = ArtifactRecord._meta.db_table
_DEAD = DeadLetterRecord._meta.db_table
_STATS = StatRecord._meta.db_table
_CURSORS = StatCursor._meta.db_table
_SUMS = {column: f"t.{column} + excluded.{column}" for column in ("jobs", "ran_ms")}

_TERMINAL = ", ".join(f"'{status.value}'" for status in sorted(TERMINAL))

#: Columns that are not text, by what they are; the rest of a row's fields are.
_MS = frozenset({"created_at", "run_at", "started_at", "completed_at", "ended_at", "at", "start"})
_JSON = frozenset({"arguments", "meta", "result", "checkpoint", "data"})
_INTEGER = frozenset(
    {
        *("priority", "max_attempts", "seq", "attempts", "crashes", "token", "number", "position"),
        "period",
    }
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One INSERT for many rows.

    On PostgreSQL its single parameter is the rows as a JSON array of objects; on SQLite it is run once a row,
    with the row's fields as parameters. ``times`` are the positions of those that are times.
    """

    sql: str
    times: tuple[int, ...]


def _first_known(column: str) -> str:
    return f"COALESCE(t.{column}, excluded.{column})"


def _of_submit(column: str) -> str:
    return f"CASE WHEN excluded.function <> '' THEN excluded.{column} ELSE t.{column} END"


def _of_newest_event(column: str) -> str:
    return f"CASE WHEN excluded.seq > t.seq THEN excluded.{column} ELSE t.{column} END"


def _of_newest_report(column: str) -> str:
    return (
        f"CASE WHEN excluded.seq > t.seq THEN COALESCE(excluded.{column}, t.{column}) "
        f"ELSE COALESCE(t.{column}, excluded.{column}) END"
    )


def _of_newest_claim(column: str) -> str:
    return f"CASE WHEN excluded.token > t.token THEN excluded.{column} ELSE {_known_of_claim(column)} END"


def _known_of_claim(column: str) -> str:
    return f"CASE WHEN excluded.token = t.token THEN {_first_known(column)} ELSE t.{column} END"


def _of_ending(column: str) -> str:
    return (
        f"CASE WHEN excluded.status IN ({_TERMINAL}) THEN excluded.{column} "
        f"WHEN t.status IN ({_TERMINAL}) THEN t.{column} ELSE {_of_newest_claim(column)} END"
    )


# An attempt that did not count is one less than its claim said, so of one claim the lower is newer.
_ATTEMPTS_RULE = (
    "CASE WHEN excluded.token > t.token OR (excluded.token = t.token AND excluded.attempts < t.attempts) "
    "THEN excluded.attempts ELSE t.attempts END"
)
_CRASHES_RULE = "CASE WHEN excluded.crashes > t.crashes THEN excluded.crashes ELSE t.crashes END"

_SUBMIT_RULES: Mapping[str, str] = {
    **{
        column: _of_submit(column)
        for column in (
            "function",
            "function_name",
            "kind",
            "parent_id",
            "root_id",
            "replay_of",
            "duplicate_of",
            "priority",
            "max_attempts",
            "arguments",
            "schedule",
            "idempotency_key",
            "code_version",
            "meta",
        )
    },
    "created_at": (
        "CASE WHEN excluded.function <> '' OR (t.function = '' AND excluded.created_at < t.created_at) "
        "THEN excluded.created_at ELSE t.created_at END"
    ),
}
_LIFE_RULES: Mapping[str, str] = {
    "status": _of_newest_event("status"),
    "seq": _of_newest_event("seq"),
    "token": "CASE WHEN excluded.token > t.token THEN excluded.token ELSE t.token END",
    "attempts": _ATTEMPTS_RULE,
    "crashes": _CRASHES_RULE,
    "run_at": (
        "CASE WHEN t.run_at IS NULL OR excluded.run_at > t.run_at THEN excluded.run_at ELSE t.run_at END"
    ),
    "started_at": _of_newest_claim("started_at"),
    "worker_id": _of_newest_claim("worker_id"),
    "completed_at": _first_known("completed_at"),
    "result": _first_known("result"),
    "error_type": _of_ending("error_type"),
    "error": _of_ending("error"),
    "progress": _of_newest_report("progress"),
    "progress_message": _of_newest_report("progress_message"),
    "checkpoint": _of_newest_report("checkpoint"),
    "cache_hit": "excluded.cache_hit OR t.cache_hit",
}

_ATTEMPT_RULES: Mapping[str, str] = {
    **{
        column: _first_known(column)
        for column in ("worker_id", "started_at", "ended_at", "error_type", "error", "traceback")
    },
    "outcome": "CASE WHEN excluded.outcome = 'active' THEN t.outcome ELSE excluded.outcome END",
}


@cache
def jobs(vendor: str) -> Statement:
    """Return the upsert of JobRows for a database ``vendor``, "sqlite" or "postgresql"."""
    return _upsert(vendor, _JOBS, JobRow, ("id",), {**_SUBMIT_RULES, **_LIFE_RULES})


@cache
def later_jobs(vendor: str) -> Statement:
    """Return the upsert of JobRows whose batch does not have the submit.

    It leaves alone what only the submit knows, and with it the indexes over those columns, which SQLite
    writes again for each column that a statement names.
    """
    return _upsert(vendor, _JOBS, JobRow, ("id",), _LIFE_RULES)


@cache
def attempts(vendor: str) -> Statement:
    """Return the upsert of AttemptRows."""
    return _upsert(vendor, _ATTEMPTS, AttemptRow, ("job_id", "token"), _ATTEMPT_RULES)


@cache
def logs(vendor: str) -> Statement:
    """Return the insert of LogRows; a line that is there stays."""
    return _upsert(vendor, _LOGS, LogRow, ("job_id", "seq", "position"), {})


@cache
def artifacts(vendor: str) -> Statement:
    """Return the insert of ArtifactRows; one that is there stays."""
    return _upsert(vendor, _ARTIFACTS, ArtifactRow, ("id",), {})


@cache
def stats(vendor: str) -> Statement:
    """Return the upsert of StatRows, which adds: unlike the others it must not be repeated."""
    key = ("period", "start", "function", "queue", "outcome", "bound_ms")
    return _upsert(vendor, _STATS, StatRow, key, _SUMS)


@cache
def cursors(vendor: str) -> Statement:
    """Return the upsert of CursorRows."""
    return _upsert(vendor, _CURSORS, CursorRow, ("queue",), {"entry_id": "excluded.entry_id"})


def functions(count: int) -> str:
    """Return the query for the functions of ``count`` job ids."""
    return f"SELECT id, function FROM {_JOBS} WHERE id IN ({_marks(count)})"


def handbacks(count: int) -> str:
    """Return the statement that counts the hand-backs of ``count`` job ids from their attempts."""
    return (
        f"UPDATE {_JOBS} SET handbacks = (SELECT COUNT(*) FROM {_ATTEMPTS} a "
        f"WHERE a.job_id = {_JOBS}.id AND a.outcome = 'handed_back') WHERE id IN ({_marks(count)})"
    )


def dead_letters(count: int) -> str:
    """Return the statement that makes dead letters of those of ``count`` job ids that failed."""
    columns = "function, function_name, queue, {}, attempts, crashes, error_type, error"
    updates = ", ".join(
        f"{column} = excluded.{column}"
        for column in ("function", "function_name", "attempts", "crashes", "error_type", "error")
    )
    return (
        f"INSERT INTO {_DEAD} (job_id, {columns.format('failed_at')}) "
        f"SELECT id, {columns.format('completed_at')} FROM {_JOBS} "
        f"WHERE id IN ({_marks(count)}) AND status = 'failed' ORDER BY id "
        f"ON CONFLICT (job_id) DO UPDATE SET {updates}"
    )


def prints() -> str:
    """Return the statement that says in which way a job failed: (fingerprint, message, frame, letter)."""
    return f"UPDATE {_DEAD} SET fingerprint = %s, message = %s, frame = %s WHERE job_id = %s"


def replays() -> str:
    """Return the statement that notes on a dead letter what it was replayed as: (new id, letter)."""
    return f"UPDATE {_DEAD} SET replayed_as = %s WHERE job_id = %s AND replayed_as IS NULL"


def discards() -> str:
    """Return the statement that marks a dead letter as discarded: (moment, letter, moment)."""
    return (
        f"UPDATE {_DEAD} SET discarded_at = %s "
        "WHERE job_id = %s AND (discarded_at IS NULL OR discarded_at > %s)"
    )


def _upsert(
    vendor: str,
    table: str,
    row: type[msgspec.Struct],
    key: Iterable[str],
    rules: Mapping[str, str],
) -> Statement:
    if rules:
        action = "UPDATE SET " + ", ".join(f"{column} = {rule}" for column, rule in rules.items())
    else:
        action = "NOTHING"
    columns = row.__struct_fields__
    if vendor == "postgresql":
        types = ", ".join(f"{column} {_wire_type(column)}" for column in columns)
        shown = ", ".join(_from_wire(field) for field in msgspec.structs.fields(row))
        source = f"SELECT {shown} FROM json_to_recordset(%s::json) AS r({types})"
    else:
        source = f"VALUES ({_marks(len(columns))})"
    return Statement(
        f"INSERT INTO {table} AS t ({', '.join(columns)}) {source} "
        f"ON CONFLICT ({', '.join(key)}) DO {action}",
        tuple(place for place, column in enumerate(columns) if column in _MS),
    )


def _wire_type(column: str) -> str:
    if column in _MS:
        return "bigint"
    if column in _INTEGER:
        return "integer"
    if column in ("bound_ms", "jobs", "ran_ms", "size_bytes"):
        return "bigint"
    others = {"progress": "double precision", "cache_hit": "boolean"}
    return others.get(column, "text")


def _from_wire(field: msgspec.structs.FieldInfo) -> str:
    if field.name in _MS:
        return f"to_timestamp(r.{field.name} / 1000.0)"
    if field.name in _JSON:
        return f"r.{field.name}::jsonb"
    # Fields at their default are left out of the JSON, which PostgreSQL reads faster the shorter it is.
    match field.default:
        case None | msgspec.NODEFAULT:
            return f"r.{field.name}"
        case str() as text:
            return f"COALESCE(r.{field.name}, '{text}')"
        case number:
            return f"COALESCE(r.{field.name}, {number})"


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)
