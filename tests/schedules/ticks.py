"""What the events of a queue tell of ticks."""

from __future__ import annotations

import msgspec

from tests.broker.lab import Lab
from upnext_django.core.ids import created_ms
from upnext_django.core.job import Envelope
from upnext_django.core.lifecycle import Move

__all__ = ["envelopes_of", "ticks_of"]

_envelope = msgspec.json.Decoder(Envelope).decode


def envelopes_of(lab: Lab) -> dict[str, Envelope]:
    """Return the jobs that were submitted, by id, in the order of their events."""
    return {move.job_id: _envelope(move.data) for move in lab.moves() if move.move is Move.SUBMITTED}


def ticks_of(lab: Lab) -> dict[str, list[int]]:
    """Return schedule -> the ticks in ms that became a job, in the order of their events, doubles too."""
    made: dict[str, list[int]] = {}
    for move in lab.moves():
        if move.move is Move.SUBMITTED:
            schedule = _envelope(move.data).schedule
            at_ms = created_ms(move.job_id)
            if schedule is not None and at_ms is not None:
                made.setdefault(schedule, []).append(at_ms)
    return made
