"""``python -m tests.benchmarks.api``: every GET of the REST API on a million jobs, on SQLite and PostgreSQL.

Each database is filled by ``upnext_seed`` and asked by a process of its own; ``--sqlite`` and ``--postgres``
name ones that are kept, so that a second run, or one of ``tests.benchmarks.admin``, finds them filled. Ends
with 1 if an answer is over its bound.
"""

from __future__ import annotations

import sys

from tests.benchmarks.history.report import Report
from tests.benchmarks.history.running import run

#: Server time of an answer on a million jobs, and of one with all 10,000 jobs of a tree.
_BOUND_MS, _BOUND_OF_TREE_MS = 100, 1_000

REPORT = Report(
    about=f"""# How fast the API is

Written by `make bench-api`, which fills a SQLite file and a PostgreSQL database with `upnext_seed` and
asks, with a token, for every `GET` of [the REST API](api.md) but the stream of events: the lists with each
filter, with pairs and larger sets of them whether they find many jobs, few or none, with pages deep in the
list and of 200 items, the statistics of each window, and trees. Redis holds waiting and running jobs.

Times are of the server, without the network. **used** is what the site's process and the process of its
database connection spent on the processor; it is held against the bound of {_BOUND_MS} ms (for all of a
tree of 10,000 jobs {_BOUND_OF_TREE_MS:,} ms). **elapsed** is by the clock, longer on a machine that does
something else too. Both are medians with the highest after the slash.
""",
    bound_ms=_BOUND_MS,
    larger={"all 10,000": _BOUND_OF_TREE_MS},
    # No worker and no mirror run.
    answers={"ready": 503},
)


if __name__ == "__main__":
    sys.exit(run("api", REPORT, description=__doc__))
