"""Settings of our side: the workload's, with history on; PostgreSQL, or SQLite at ``BENCH_SQLITE``."""

import os

from shop.settings import DATABASES as DATABASES
from shop.settings import SECRET_KEY as SECRET_KEY
from shop.settings import USE_TZ as USE_TZ

INSTALLED_APPS = ["upnext_django", "shop", "jobs"]
UPNEXT = {"REDIS_URL": os.environ["BENCH_REDIS"]}

if "BENCH_SQLITE" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_SQLITE"],
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
