"""What a worker shows when it starts: one screen, plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

__all__ = ["StartScreen", "package_version"]

_TASKS_SHOWN = 12


def package_version() -> str:
    """Return the version of the installed distribution, "source" when it runs from a checkout."""
    try:
        return version("upnext_django")
    except PackageNotFoundError:
        return "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartScreen:
    """The facts of the screen; ``redis`` is a URL with its password masked.

    No crons, no outbox or no secrets (their names): no line of them. ``slots`` are those of one of the
    ``processes``.
    """

    redis: str
    workers: tuple[str, ...]
    queues: tuple[str, ...]
    slots: int
    tasks: tuple[str, ...]
    crons: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    loop: str
    history: str
    outbox: str | None = None
    stop: str
    processes: int = 1

    def __str__(self) -> str:
        lines = [
            f"upnext_django {package_version()}",
            "",
            _line("Redis", self.redis),
            _line("Workers", ", ".join(self.workers)),
            _line("Queues", ", ".join(self.queues)),
            _line("Slots", f"{self.slots} ({self.loop}){self._places}"),
            _line("History", self.history),
            *([_line("Outbox", self.outbox)] if self.outbox else ()),
            *_block("Tasks", self.tasks),
            *(_block("Crons", self.crons) if self.crons else ()),
            *(_block("Secrets", self.secrets) if self.secrets else ()),
            "",
            self.stop,
        ]
        return "\n".join(lines)

    @property
    def _places(self) -> str:
        return f" in each of {self.processes} processes" if self.processes > 1 else ""


def _line(label: str, text: str) -> str:
    return f"  {label:<9}{text}"


def _block(label: str, names: Iterable[str]) -> list[str]:
    every = sorted(names)
    shown = every[:_TASKS_SHOWN]
    if len(every) > len(shown):
        shown.append(f"and {len(every) - len(shown)} more")
    first, *rest = shown or ["none"]
    return [_line(label, first), *(_line("", name) for name in rest)]
