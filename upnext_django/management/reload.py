"""``--reload``: a parent that watches the project's files and restarts an ordinary worker.

The worker is a child process, so it drains as any worker does, and an edit that does not import ends
the child with its traceback while the parent waits for the next edit.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from django.apps import apps
from django.utils import autoreload

from upnext_django.management.supervise import RECYCLED, STUCK
from upnext_django.management.supervised import stop_at_the_end_of

__all__ = ["ReloadingParent", "follow_parent", "project_folders", "take_lifeline"]

#: In the child: the read end of a pipe that ends when the parent does, however it does.
_LIFELINE: Final = "UPNEXT_RELOAD_LIFELINE"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def follow_parent(stop: Callable[[], None]) -> None:
    """In a child of a ReloadingParent, call ``stop`` when the parent has died; elsewhere do nothing."""
    lifeline = take_lifeline()
    if lifeline is not None:
        stop_at_the_end_of(lifeline, stop)


def take_lifeline() -> int | None:
    """Return the pipe that ends with the ReloadingParent, None if there is none. It is taken once."""
    lifeline = os.environ.pop(_LIFELINE, None)
    return None if lifeline is None else int(lifeline)


def project_folders() -> list[Path]:
    """Return the folders of the installed apps that are not installed packages."""
    folders = (Path(config.path) for config in apps.get_app_configs())
    return [path for path in folders if not {"site-packages", "dist-packages"} & set(path.parts)]


class ReloadingParent:
    """Runs one child and starts it anew after each edit of a ``.py`` file.

    ``report`` is called with each line for the user. ``drain_s`` is how long a child may take to end
    before it is killed: its shutdown timeout and a margin.
    """

    def __init__(
        self,
        arguments: list[str],
        *,
        folders: Iterable[Path],
        report: Callable[[str], object],
        drain_s: float,
    ) -> None:
        self._arguments = arguments
        self._folders = list(folders)
        self._report = report
        self._drain_s = drain_s
        self._child: subprocess.Popen[bytes] | None = None
        self._stops_asked = 0
        self._changed: list[Path] = []
        self._lifeline, self._held_end = os.pipe()

    @staticmethod
    def is_child() -> bool:
        """Tell whether this process is the child, where ``--reload`` means nothing any more."""
        return _LIFELINE in os.environ

    def run(self) -> int:
        """Watch until SIGTERM, SIGINT or the end of a worker that had nothing more to do.

        Returns the exit code of the last child. Call it in the main thread.
        """
        before = {number: signal.signal(number, self._pass_on) for number in _SIGNALS}
        autoreload.file_changed.connect(self._note, dispatch_uid="upnext_django.reload")
        try:
            return self._watch()
        finally:
            autoreload.file_changed.disconnect(dispatch_uid="upnext_django.reload")
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._held_end)
            os.close(self._lifeline)

    def _watch(self) -> int:
        # Not get_reloader(): Watchman has its own idea of ticks, and one stat a second is enough.
        reloader = autoreload.StatReloader()
        for folder in self._folders:
            reloader.watch_dir(folder, "**/*.py")
        self._start()
        for _ in reloader.tick():
            code = self._child.poll() if self._child is not None else None
            if self._stops_asked:
                return self._end()
            if self._changed:
                names = ", ".join(sorted({path.name for path in self._changed}))
                self._changed.clear()
                self._report(f"{names} changed; the worker starts again.")
                self._end()
                # A stop that came while the old child drained must not meet a new one.
                if self._stops_asked:
                    return 0
                self._start()
            elif code in (STUCK, RECYCLED):
                self._start()
            elif code == 0:
                return 0
            elif code is not None:
                self._child = None
                self._report(f"The worker ended with exit code {code}; it starts again after the next edit.")
        raise AssertionError("StatReloader.tick() ended, which it never does")

    def _start(self) -> None:
        self._child = subprocess.Popen(
            self._arguments,
            env={**os.environ, _LIFELINE: str(self._lifeline)},
            pass_fds=[self._lifeline],
        )
        # The signal may have come between the fork and this line, when there was no child to tell.
        if self._stops_asked:
            self._child.terminate()

    def _end(self) -> int:
        child = self._child
        if child is None:
            return 0
        # Told by _pass_on() already; once more, a second later, would mean "hand back at once".
        if not self._stops_asked:
            child.terminate()
        try:
            return child.wait(self._drain_s)
        except subprocess.TimeoutExpired:
            self._report(f"The worker did not end within {self._drain_s:g} s and was killed.")
            child.kill()
            return child.wait()
        finally:
            self._child = None

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stops_asked += 1
        # Ctrl-C reaches the child too, through the terminal; a worker takes two within 1 s for one.
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.terminate()

    def _note(self, *, file_path: Path, **_: Any) -> bool:
        self._changed.append(file_path)
        return True  # Or Django would end this process, for its own parent to restart.
