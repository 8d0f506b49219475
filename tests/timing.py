"""How long something takes, on a machine that may stand still for a second or two."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["fastest_of_three"]


def fastest_of_three(measure: Callable[[], float], enough: float) -> float:
    """Return the least of up to three measurements; the first below ``enough`` is the last.

    A stall of the machine makes one of them slow, a mistake in the code each of them.
    """
    least = measure()
    for _ in range(2):
        if least < enough:
            break
        least = min(least, measure())
    return least
