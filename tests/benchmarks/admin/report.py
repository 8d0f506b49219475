"""What opening the pages took, held against the bounds, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["BOUND_MS", "as_markdown", "over"]

#: Server time of a page on a million jobs.
BOUND_MS = 300
#: Of one that is about a tree of 10,000 jobs, every one of which is read and laid out.
BOUND_OF_TREE_MS = 1_000
_ABOUT = """# How fast the admin is

Written by `make bench-admin`, which fills a SQLite file and a PostgreSQL database with `upnext_seed` and
opens, as a superuser, every page that the URLconf has, each filter that the lists offer (those of jobs
beside some others too), each kind of search, and the page that asks before an action on all that match.
Redis holds waiting and running jobs.

Times are of the server, without the network and the browser. **used** is what the site's process and the
process of its database connection spent on the processor; it is held against the bound of {bound} ms (for a
tree of 10,000 jobs {tree_bound} ms). **elapsed** is by the clock, longer on a machine that does something
else too. Both are medians with the highest after the slash.
"""


def over(found: Mapping[str, Any]) -> list[str]:
    """Return the pages whose median is over their bound or that did not open, with where and how long."""
    return [
        f"{page['title']} on {name}: {page['used_ms']:,.0f} ms"
        + (f", answered {page['status']}" if page["status"] >= 500 else "")
        for name, facts in found.items()
        for page in facts["pages"]
        if page["used_ms"] > _bound(page["title"]) or page["status"] >= 500
    ]


def as_markdown(found: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    """Return the report; ``found`` has the pages by the database's name."""
    return "\n".join(_lines(found, facts)) + "\n"


def _lines(found: Mapping[str, Any], facts: Mapping[str, str]) -> Iterator[str]:
    yield _ABOUT.format(bound=BOUND_MS, tree_bound=f"{BOUND_OF_TREE_MS:,}")
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
    slow = over(found)
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


def _bound(title: str) -> int:
    return BOUND_OF_TREE_MS if "largest tree" in title else BOUND_MS
