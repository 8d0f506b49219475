"""One request that is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """One page: whose it is, what is asked of it, and where. ``form`` is posted, None is a GET."""

    page: str
    asked: str
    path: str
    form: dict[str, str] | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """What it is called in the report: the same on each database."""
        return f"{self.page} {self.asked}".strip()
