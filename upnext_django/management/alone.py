"""Running a worker's services in a process of their own."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from upnext_django.runtime.service import Service

__all__ = ["listen_for_stops", "run_alone"]

_LOOK_S = 0.5
_STOP_S = 25.0
_SECOND_SIGNAL_S = 1.0  # a terminal and a supervisor may both pass on one Ctrl-C


def listen_for_stops() -> list[float]:
    """Return a list that gets the moment of each SIGTERM and SIGINT; one a second after the first exits."""
    stops: list[float] = []

    # Not an Event: a second signal inside its set() would wait for the lock that the first holds.
    def listen(number: int, frame: FrameType | None) -> None:
        stops.append(time.monotonic())
        if stops[-1] - stops[0] > _SECOND_SIGNAL_S:
            sys.exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, listen)
    return stops


def run_alone(services: Sequence[Service], stops: list[float]) -> bool:
    """Run until asked to stop; False if a service ended by itself or not in time."""
    for service in services:
        service.start()
    ended = False
    while not stops and not ended:
        ended = any(service.join(_LOOK_S / len(services)) for service in services)
    for service in services:
        service.stop()
    return all(service.join(_STOP_S) for service in services) and not ended
