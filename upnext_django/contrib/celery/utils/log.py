"""Loggers for tasks."""

from __future__ import annotations

import logging

__all__ = ["get_task_logger"]


def get_task_logger(name: str) -> logging.Logger:
    """Return the standard logger ``name``: its records from inside a job go to the job's log too."""
    return logging.getLogger(name)
