"""The program of a worker process under test: ``python -m tests.fleet.serve ORDER``.

ORDER is JSON: ``environment`` and ``options`` are the fields of Environment and WorkerOptions, ``modules``
what to import, ``workers`` the names of the Workers to serve (None: all).
"""

from __future__ import annotations

import faulthandler
import json
import logging
import signal
import sys
from importlib import import_module

from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess


def main(order: str) -> int:
    """Serve until stopped; returns the exit code."""
    asked = json.loads(order)
    faulthandler.register(signal.SIGUSR1)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("upnext")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    environment = Environment(**asked["environment"])
    broker = Broker(environment)
    ports.configure(environment=lambda: environment, broker=lambda _url: broker)
    for module in asked["modules"]:
        import_module(module)
    workers = [w for w in registry.workers if asked["workers"] is None or w.name in asked["workers"]]
    options = asked["options"]
    if options.get("queues") is not None:
        options["queues"] = frozenset(options["queues"])
    return WorkerProcess(workers, WorkerOptions(**options), broker=broker).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
