"""A project with the tasks of one test module and nothing else."""

from __future__ import annotations

from example_project import settings as example

SECRET_KEY = example.SECRET_KEY
DATABASES = example.DATABASES
USE_TZ = True
UPNEXT = example.UPNEXT

INSTALLED_APPS = ["upnext_django", "tests.worker_app"]
