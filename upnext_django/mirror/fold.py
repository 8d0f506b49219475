"""From moves to rows, without I/O.

One job's moves make one JobRow however they are cut into batches, repeated or shuffled: within a
batch they are sorted here, between batches the merge rules of ``mirror.statements`` do the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec

from upnext_django.core.artifact import MAX_PATH, ArtifactFacts
from upnext_django.core.fingerprint import fingerprint_of
from upnext_django.core.job import Envelope, JobMove, SettleData
from upnext_django.core.lifecycle import TERMINAL, JobStatus, Move
from upnext_django.core.redaction import redact
from upnext_django.mirror.payload import arguments_of, meta_of, stored
from upnext_django.mirror.rows import ArtifactRow, AttemptRow, Changes, End, JobRow, LogRow, Poison

__all__ = ["fold"]


class _Shown(Envelope, frozen=True, omit_defaults=True, kw_only=True):
    duplicate_of: str | None = None


class _Claim(msgspec.Struct, frozen=True):
    attempt: int
    worker: str | None = None


class _Loss(msgspec.Struct, frozen=True, kw_only=True):
    attempt: int
    crashes: int = 0
    started: int | None = None
    worker: str | None = None
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    progress: float | None = None
    message: str | None = None
    checkpoint: msgspec.Raw = msgspec.Raw()
    logs: list[tuple[int, str, str, msgspec.Raw]] = []
    artifacts: list[ArtifactFacts] = []


class _Reason(msgspec.Struct, frozen=True):
    error_type: str | None = None
    error: str | None = None


class _Discard(_Reason, frozen=True, kw_only=True):
    completed: int


_read_shown = msgspec.json.Decoder(_Shown).decode
_read_claim = msgspec.json.Decoder(_Claim).decode
_read_settled = msgspec.json.Decoder(SettleData).decode
_read_loss = msgspec.json.Decoder(_Loss).decode
_read_report = msgspec.json.Decoder(_Report).decode
_read_reason = msgspec.json.Decoder(_Reason).decode
_read_discard = msgspec.json.Decoder(_Discard).decode

_by_seq = attrgetter("seq")
_OUTCOMES = {
    JobStatus.COMPLETE: "complete",
    JobStatus.RETRYING: "failed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}
_ENDS_BY_LOSS = {Move.HANDED_BACK: "handed_back", Move.RECOVERED: "lost"}


def fold(moves: Iterable[tuple[str, JobMove]]) -> Changes:
    """Return what ``moves``, pairs of a queue and a move, change in the history.

    Moves may be in any order and occur more than once. One whose data cannot be read gives its
    status only and is listed in ``poison``.
    """
    changes = Changes()
    by_job: dict[str, list[JobMove]] = {}
    queues: dict[str, str] = {}
    for queue, move in moves:
        known = by_job.get(move.job_id)
        if known is None:
            by_job[move.job_id] = [move]
            queues[move.job_id] = queue
        else:
            known.append(move)
    for job_id in sorted(by_job):
        history = by_job[job_id]
        if len(history) > 1:
            history.sort(key=_by_seq)
        _fold_job(job_id, queues[job_id], history, changes)
    return changes


def _fold_job(job_id: str, queue: str, history: list[JobMove], changes: Changes) -> None:
    row = JobRow(job_id, queue[:64], history[0].at_ms)
    attempts: dict[int, AttemptRow] = {}
    seq = 0
    for move in history:
        if move.seq == seq:
            continue
        seq = move.seq
        what, status = move.move, move.status
        try:
            if what is Move.CLAIMED:
                _claimed(row, attempts, move)
            elif what is Move.SETTLED:
                _settled(row, attempts, move, changes)
            elif what is Move.CACHE_HIT:
                _hit(row, move, changes)
            elif what is Move.SUBMITTED or what is Move.DUPLICATED:
                _submitted(row, move, changes)
            elif what is Move.REPORTED:
                _reported(row, move, changes)
            elif what in _ENDS_BY_LOSS:
                _taken_back(row, attempts, move, changes)
                if what is Move.HANDED_BACK and job_id not in changes.handed_back[-1:]:
                    changes.handed_back.append(job_id)
            elif what is Move.DISCARDED:
                _discarded(row, move, changes)
            elif status in TERMINAL:
                reason = _read_reason(move.data)
                row.error_type, row.error = _text(reason.error_type, 255), _text(reason.error)
                changes.ends.append(_end(row, move, None))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            changes.poison.append(Poison(job_id, seq, what.value, str(error)))
        if what is Move.DISCARDED:
            continue
        if status in TERMINAL:
            row.completed_at = move.at_ms
        elif move.extra and (status is JobStatus.SCHEDULED or status is JobStatus.RETRYING):
            row.run_at = max(row.run_at or 0, move.extra)
    row.seq, row.status = seq, status.value
    changes.jobs.append(row)
    if attempts:
        changes.attempts.extend(attempts[key] for key in sorted(attempts))
    # A submit or a crash may come later than the failure; the letter then takes it from the job's row.
    if status is JobStatus.FAILED or row.crashes or (row.function and row.completed_at is None):
        changes.dead.append(job_id)


def _submitted(row: JobRow, move: JobMove, changes: Changes) -> None:
    shown = _read_shown(move.data)
    row.arguments = arguments_of(shown)
    row.meta = meta_of(shown)
    row.created_at = move.at_ms
    row.function = _text(shown.function, 255) or ""
    row.function_name = _text(shown.function_name, 255) or ""
    row.kind = shown.kind[:16]
    row.parent_id = shown.parent_id
    row.root_id = shown.root_id or row.id
    row.replay_of = shown.replay_of
    row.duplicate_of = shown.duplicate_of
    row.priority = shown.priority
    row.max_attempts = shown.max_attempts
    row.schedule = _text(shown.schedule, 255)
    row.idempotency_key = _text(shown.key, 255)
    row.code_version = _text(shown.code_version, 64)
    if shown.replay_of is not None:
        changes.replayed.append((shown.replay_of, row.id))


def _claimed(row: JobRow, attempts: dict[int, AttemptRow], move: JobMove) -> None:
    claim = _read_claim(move.data)
    worker = _text(claim.worker, 128)
    attempts[move.token] = AttemptRow(row.id, move.token, claim.attempt, worker, move.at_ms)
    row.token, row.attempts = move.token, claim.attempt
    row.worker_id, row.started_at = worker, move.at_ms
    row.error_type = row.error = None


def _settled(row: JobRow, attempts: dict[int, AttemptRow], move: JobMove, changes: Changes) -> None:
    data = _read_settled(move.data)
    changes.ends.append(_end(row, move, data.started_ms))
    attempt = attempts.get(move.token)
    if attempt is None:
        attempt = attempts[move.token] = AttemptRow(row.id, move.token, data.attempt, None, data.started_ms)
    attempt.ended_at = move.at_ms
    attempt.outcome = "timed_out" if data.timed_out else _OUTCOMES.get(move.status, "failed")
    if move.token > row.token:
        row.token, row.worker_id, row.started_at = move.token, None, data.started_ms
    row.attempts = data.attempt
    row.error_type = row.error = None
    if data.error is not None or data.error_type is not None:
        attempt.traceback = _text(data.traceback)
        row.error_type = attempt.error_type = _text(data.error_type, 255)
        row.error = attempt.error = _text(data.error)
    if move.status is JobStatus.FAILED:
        changes.prints[row.id] = fingerprint_of(data.error_type, data.error, data.traceback)
    if move.status is JobStatus.COMPLETE and data.result is not msgspec.UNSET:
        row.result = stored(bytes(data.result))


def _hit(row: JobRow, move: JobMove, changes: Changes) -> None:
    # What it may have run before it lost the lead of its key stays in its attempts.
    data = _read_settled(move.data)
    changes.ends.append(_end(row, move, None))
    row.cache_hit = True
    row.error_type = row.error = None
    if data.result is not msgspec.UNSET:
        row.result = stored(bytes(data.result))


def _taken_back(row: JobRow, attempts: dict[int, AttemptRow], move: JobMove, changes: Changes) -> None:
    """Fold the end of a claim whose attempt does not count, unless it ends the job."""
    loss = _read_loss(move.data)
    if move.status in TERMINAL:
        changes.ends.append(_end(row, move, loss.started))
    if move.status is JobStatus.FAILED:
        changes.prints[row.id] = fingerprint_of(loss.error_type, loss.error, loss.traceback)
    attempt = attempts.get(move.token)
    if attempt is None:
        attempt = attempts[move.token] = AttemptRow(row.id, move.token, loss.attempt, None, loss.started)
    attempt.ended_at = move.at_ms
    attempt.outcome = _ENDS_BY_LOSS[move.move]
    if loss.worker is not None:
        attempt.worker_id = _text(loss.worker, 128)
    if move.token > row.token:
        row.token, row.worker_id, row.started_at = move.token, attempt.worker_id, attempt.started_at
    row.attempts = loss.attempt if move.status in TERMINAL else loss.attempt - 1
    row.crashes = max(row.crashes, loss.crashes)
    row.error_type = attempt.error_type = _text(loss.error_type, 255)
    row.error = attempt.error = _text(loss.error)
    attempt.traceback = _text(loss.traceback)


def _reported(row: JobRow, move: JobMove, changes: Changes) -> None:
    report = _read_report(move.data)
    if report.progress is not None:
        row.progress = report.progress
    if report.message is not None:
        row.progress_message = _text(report.message)
    if report.checkpoint:
        row.checkpoint = stored(bytes(report.checkpoint))
    for position, (at_ms, level, text, data) in enumerate(report.logs):
        shown = stored(redact(bytes(data)))
        changes.logs.append(
            LogRow(row.id, move.seq, position, at_ms, level[:16].replace("\0", ""), _text(text) or "", shown)
        )
    for one in report.artifacts:
        name, path = _text(one.name, 255) or "", _text(one.path, MAX_PATH) or ""
        changes.artifacts.append(
            ArtifactRow(one.id, row.id, name, one.type[:16], one.size_bytes, path, one.at_ms)
        )


def _discarded(row: JobRow, move: JobMove, changes: Changes) -> None:
    # The move repeats how the job ended: alone in a batch, it must not take that from the row.
    data = _read_discard(move.data)
    row.completed_at = data.completed
    row.error_type, row.error = _text(data.error_type, 255), _text(data.error)
    changes.discarded.append((row.id, move.at_ms))


def _end(row: JobRow, move: JobMove, started_ms: int | None) -> End:
    ran_ms = None if started_ms is None else move.at_ms - started_ms
    return End(row.id, row.queue, row.function, move.status.value, move.at_ms, ran_ms)


def _text(value: Any, limit: int | None = None) -> str | None:
    if value is None:
        return None
    text: str = value.replace("\0", "\ufffd") if "\0" in value else value
    return text if limit is None else text[:limit]
