"""One database, in a process of its own: fill it, open every page, write what that took as JSON.

``--of`` is whose pages: ``admin`` or ``api``. The environment says where: ``UPNEXT_EXAMPLE_DATABASE`` and
``UPNEXT_REDIS_URL``. A database that has as many jobs already is not filled again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from tempfile import TemporaryDirectory

import django
from django.test import override_settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.history.opening", description=__doc__)
    parser.add_argument("--of", choices=("admin", "api"), required=True)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--tree", type=int, default=10_000, help="how many of them are in the newest tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="open the pages whose title has this")
    parser.add_argument("--slow", type=float, default=0.0, help="say at once which took more ms than this")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    os.environ["UPNEXT_EXAMPLE_DEBUG"] = "0"
    django.setup()
    # Their models want Django first.
    from tests.benchmarks.history import filling, measuring

    visits = import_module(f"tests.benchmarks.{options.of}.visits")
    seeded_s = filling.fill(options.jobs, options.tree)
    filling.fill_redis()
    with TemporaryDirectory(prefix="bench-files-") as folder, override_settings(MEDIA_ROOT=folder):
        filling.fill_storage()
        client = visits.client()
        pages = measuring.opened(
            client, visits.visits(client), options.rounds, only=options.only, slow_ms=options.slow
        )
    json.dump({"seeded_s": round(seeded_s), "pages": pages}, sys.stdout)


if __name__ == "__main__":
    main()
