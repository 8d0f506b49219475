"""The three levels of priority inside a queue."""

from __future__ import annotations

__all__ = ["LANES", "child_lane", "lane_for"]

#: above, at and below priority 0; a lower number is read first
LANES = (0, 1, 2)


def lane_for(priority: int) -> int:
    """Return the lane of a priority (-100..100): 0 above zero, 1 at zero, 2 below."""
    if priority > 0:
        return 0
    return 1 if priority == 0 else 2


def child_lane(parent_lane: int, priority: int) -> int:
    """Return the lane of a child: one level above its parent's, or its own priority's if higher.

    Without it new parents would be started before the children that the waiting ones need.
    """
    return min(max(parent_lane - 1, 0), lane_for(priority))
