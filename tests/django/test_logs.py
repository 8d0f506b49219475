"""A worker's log is shown by default, and left alone where the project has logging of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest

from upnext_django.management.logs import show_logs


@contextmanager
def bare_logger() -> Iterator[logging.Logger]:
    """The logger "upnext" as in a project whose LOGGING says nothing.

    Not a fixture: pytest gives loggers its own handlers after the fixtures have run.
    """
    logger = logging.getLogger("upnext")
    kept = logger.handlers[:], logger.level, logger.propagate
    logger.handlers[:] = []
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.handlers[:], logger.propagate = kept[0], kept[2]
        logger.setLevel(kept[1])


@pytest.mark.parametrize(("verbosity", "level"), [(0, "WARNING"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")])
def test_verbosity_is_the_level(verbosity, level):
    stream = StringIO()

    with bare_logger() as logger:
        show_logs(verbosity, stream)
        for name in ("DEBUG", "INFO", "WARNING"):
            logger.getChild("worker").log(getattr(logging, name), "said at %s", name)

    shown = [name for name in ("DEBUG", "INFO", "WARNING") if f"said at {name}" in stream.getvalue()]
    assert shown[0] == level


def test_a_project_with_handlers_is_left_alone():
    stream = StringIO()

    with bare_logger() as logger:
        logger.addHandler(logging.NullHandler())
        show_logs(2, stream)
        logger.warning("said")

    assert stream.getvalue() == ""


def test_calling_it_twice_shows_each_line_once():
    stream = StringIO()

    with bare_logger() as logger:
        show_logs(1, stream)
        show_logs(1, stream)
        logger.warning("said")

    assert stream.getvalue().count("said") == 1
