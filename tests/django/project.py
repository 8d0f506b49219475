"""The example project's manage.py in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ROOT", "environment_for", "manage", "start"]

ROOT = Path(__file__).resolve().parents[2]


def environment_for(database: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a process of the project whose data is in ``database``."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "PYTHONPATH": str(ROOT),
        "UPNEXT_EXAMPLE_DATABASE": str(database),
        **extra,
    }


def manage(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py`` with ``arguments`` to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def start(*arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start ``manage.py`` with ``arguments``; its output is one stream."""
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "manage.py"), *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
