"""What opening the pages took, held against the bounds, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run is told. ``about`` is the beginning of the page, with its heading.

    ``bound_ms`` is what a page may use of the processor, ``larger`` other bounds by a part of the page's
    title. ``bad_from`` is the HTTP status from which a page counts as one that did not open, but for those of
    ``answers``, by the title, which are right.
    """

    about: str
    bound_ms: int
    larger: Mapping[str, int] = field(default_factory=dict)
    bad_from: int = 400
    answers: Mapping[str, int] = field(default_factory=dict)

    def over(self, found: Mapping[str, Any]) -> list[str]:
        """Return the pages whose median is over their bound or that did not open, with where and how long."""
        return [
            f"{page['title']} on {name}: {page['used_ms']:,.0f} ms"
            + (f", answered {page['status']}" if self._failed(page) else "")
            for name, facts in found.items()
            for page in facts["pages"]
            if page["used_ms"] > self.bound_of(page["title"]) or self._failed(page)
        ]

    def bound_of(self, title: str) -> int:
        """Return the bound of a page in milliseconds."""
        return next((bound for part, bound in self.larger.items() if part in title), self.bound_ms)

    def _failed(self, page: Mapping[str, Any]) -> bool:
        status: int = page["status"]
        return status >= self.bad_from and status != self.answers.get(page["title"])

    def as_markdown(self, found: Mapping[str, Any], facts: Mapping[str, str]) -> str:
        """Return the report; ``found`` has the pages by the database's name."""
        return "\n".join(self._lines(found, facts)) + "\n"

    def _lines(self, found: Mapping[str, Any], facts: Mapping[str, str]) -> Iterator[str]:
        yield self.about
        for name, value in facts.items():
            yield f"- {name}: {value}"
        for name, one in found.items():
            seeded = f"; filled in {one['seeded_s']} s" if one["seeded_s"] else ""
            slowest = max(one["pages"], key=lambda page: page["used_ms"])
            median = sorted(page["used_ms"] for page in one["pages"])[len(one["pages"]) // 2]
            yield (
                f"- {name}: {one['version']}{seeded}; {len(one['pages'])} pages, half of them within "
                f"{median:,.0f} ms, the slowest {slowest['used_ms']:,.0f} ms ({slowest['title']})"
            )
        slow = self.over(found)
        yield ""
        yield f"Over their bound: {len(slow)}." if slow else "Every page is within its bound."
        yield ""
        yield from (f"- {line}" for line in slow)
        if slow:
            yield ""
        names = list(found)
        heads = [f"{name} {what}" for name in names for what in ("queries", "used, ms", "elapsed, ms")]
        yield "| page | " + " | ".join(heads) + " |"
        yield "| --- |" + " --: |" * len(heads)
        by_title: dict[str, dict[str, Any]] = {}
        for name in names:
            for page in found[name]["pages"]:
                by_title.setdefault(page["title"], {})[name] = page
        for title, pages in by_title.items():
            cells = [cell for name in names for cell in _cells(pages.get(name))]
            yield f"| {title.replace('|', '/')} | " + " | ".join(cells) + " |"


def _cells(page: Mapping[str, Any] | None) -> list[str]:
    if page is None:
        return ["", "", ""]
    return [
        str(page["queries"]),
        f"{page['used_ms']:,.0f} / {page['most_used_ms']:,.0f}",
        f"{page['median_ms']:,.0f} / {page['max_ms']:,.0f}",
    ]
