"""One virtual environment per peer, so that no peer's dependencies hold another's back."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["EnvironmentFailed", "installed_versions", "python_of"]

CACHE = Path(__file__).parents[2] / ".venv-bench"


class EnvironmentFailed(RuntimeError):
    """A peer's packages could not be installed; the message ends with pip's last lines."""


def python_of(name: str, requirements: Sequence[str]) -> Path:
    """Return the interpreter of the environment ``name``, made on first use.

    It is made by the Python that runs this and kept in ``.venv-bench`` of the repository until
    ``requirements`` or that Python change. Raises EnvironmentFailed if pip fails.
    """
    home = CACHE / name
    python = home / "bin" / "python"
    stamp = home / "requirements.sha256"
    # What an editable install needs stands in a file.
    project = (CACHE.parent / "pyproject.toml").read_text() if "--editable" in requirements else ""
    wanted = hashlib.sha256("\n".join([sys.version, *requirements, project]).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    venv.create(home, with_pip=True, clear=True)
    pip = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode != 0:
        lines = "\n".join(pip.stderr.splitlines()[-8:])
        raise EnvironmentFailed(f"pip could not install {', '.join(requirements)} for {name}:\n{lines}")
    stamp.write_text(wanted)
    return python


def installed_versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each of ``packages`` that ``python`` finds; absent ones are left out."""
    code = (
        "import sys\n"
        "from importlib.metadata import PackageNotFoundError, version\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        print(name, version(name))\n"
        "    except PackageNotFoundError:\n"
        "        pass\n"
    )
    lines = subprocess.run(
        [python, "-c", code, *packages], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)
