"""``python -m tests.benchmarks.admin``: every page of the admin on a million jobs, on SQLite and PostgreSQL.

Each database is filled by ``upnext_seed`` and opened by a process of its own; ``--sqlite`` and ``--postgres``
name ones that are kept, so that a second run, or one of ``tests.benchmarks.api``, finds them filled. Ends
with 1 if a page is over its bound.
"""

from __future__ import annotations

import sys

from tests.benchmarks.history.report import Report
from tests.benchmarks.history.running import run

#: Server time of a page on a million jobs, and of one about a tree of 10,000 of them, which are all read.
_BOUND_MS, _BOUND_OF_TREE_MS = 300, 1_000

REPORT = Report(
    about=f"""# How fast the admin is

Written by `make bench-admin`, which fills a SQLite file and a PostgreSQL database with `upnext_seed` and
opens, as a superuser, every page that the URLconf has, each filter that the lists offer (those of jobs
beside some others too), each kind of search, and the page that asks before an action on all that match.
Redis holds waiting and running jobs.

Times are of the server, without the network and the browser. **used** is what the site's process and the
process of its database connection spent on the processor; it is held against the bound of {_BOUND_MS} ms
(for a tree of 10,000 jobs {_BOUND_OF_TREE_MS:,} ms). **elapsed** is by the clock, longer on a machine that
does something else too. Both are medians with the highest after the slash.
""",
    bound_ms=_BOUND_MS,
    larger={"largest tree": _BOUND_OF_TREE_MS},
    # Some addresses take a POST only, or are closed to everybody.
    bad_from=500,
)


if __name__ == "__main__":
    sys.exit(run("admin", REPORT, description=__doc__))
