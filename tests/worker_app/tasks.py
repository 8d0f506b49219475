"""What a worker process of the tests finds here: the tasks of one test module."""

from __future__ import annotations

import os
from importlib import import_module

import_module(os.environ["UPNEXT_TEST_TASKS"])
