"""The text of one move in the event stream: ``seq at_ms move status token extra data``."""

from __future__ import annotations

from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move

__all__ = ["MoveError", "pack_move", "parse_move"]

_MOVES = {move.value.encode(): move for move in Move}
_STATUSES = {status.value.encode(): status for status in JobStatus}
_WORDS = 6


class MoveError(ValueError):
    """An event field is no move. ``job_id`` is the field's name, ``value`` its content."""

    def __init__(self, job_id: str, value: bytes, problem: str) -> None:
        super().__init__(
            f"The event {value[:200]!r} of job {job_id} is no move: {problem}; "
            "expected 'seq at_ms move status token extra data'."
        )
        self.job_id = job_id
        self.value = value


def parse_move(job_id: bytes | str, value: bytes) -> JobMove:
    """Return the move that one field of an ``events`` entry holds.

    ``data`` is the JSON to the end, ``b"{}"`` where there is none; it is not decoded here. Raises
    MoveError for a text that no script wrote, so that a reader can set it aside and go on.
    """
    name = job_id if isinstance(job_id, str) else job_id.decode("utf-8", "replace")
    words = value.split(b" ", _WORDS)
    if len(words) < _WORDS:
        raise MoveError(name, value, f"it has {len(words)} words")
    move, status = _MOVES.get(words[2]), _STATUSES.get(words[3])
    if move is None:
        raise MoveError(name, value, f"there is no move {words[2][:50]!r}")
    if status is None:
        raise MoveError(name, value, f"there is no status {words[3][:50]!r}")
    try:
        seq, at_ms, token, extra = int(words[0]), int(words[1]), int(words[4]), int(words[5])
    except ValueError:
        raise MoveError(name, value, "seq, at_ms, token and extra are integers") from None
    data = words[_WORDS] if len(words) > _WORDS else b""
    return JobMove(name, seq, at_ms, move, status, token, extra, data or b"{}")


def pack_move(move: JobMove) -> bytes:
    """Return the text of ``move`` as the scripts write it; the reverse of parse_move()."""
    head = f"{move.seq} {move.at_ms} {move.move} {move.status} {move.token} {move.extra} "
    return head.encode() + move.data
