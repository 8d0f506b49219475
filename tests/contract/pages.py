"""The pages of the documentation, and what the tests read from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "REFERENCE", "ROOT", "Snippet", "snippets", "table"]

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@dataclass(frozen=True)
class Snippet:
    """One block of Python. ``kind`` is what its first line says: a file's name, "sync" or nothing."""

    kind: str
    code: str
    line: int


def snippets(page: Path) -> list[Snippet]:
    """Return the blocks of Python of a page, in their order."""
    text = page.read_text()
    found = []
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        first = match[1].split("\n", 1)[0]
        kind = first.removeprefix("# ") if re.fullmatch(r"# (sync|[\w/]+\.py)", first) else ""
        found.append(Snippet(kind, match[1], text.count("\n", 0, match.start(1)) + 1))
    return found


def table(page: Path, header: str) -> dict[str, str]:
    """Return first -> second column of the table whose header begins so, without the backquotes."""
    lines = page.read_text().split(f"| {header}", 1)[1].split("\n")[2:]
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        rows[cells[0]] = cells[1]
    return rows


PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if snippets(page))
