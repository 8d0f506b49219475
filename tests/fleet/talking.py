"""Tasks that log as programs do: by loggers of their own, with what they were not asked for."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from typing import Any
from uuid import UUID

import upnext_django as upnext

talking = upnext.Worker("talking", concurrency=2)
logger = logging.getLogger("shop.orders")

# As LOGGING does it with "propagate": False.
apart = logging.getLogger("billing")
apart.addHandler(logging.StreamHandler())
apart.propagate = False


class Unspeakable:
    def __str__(self) -> str:
        raise LookupError("there is no text of it")


@talking.task
async def by_a_logger_that_does_not_propagate() -> None:
    logging.getLogger("billing.cards").warning("declined")


@talking.task
def with_extra() -> None:
    logger.warning("paid", extra={"order": 7, "id": UUID(int=1), "token": "t0p", "of": Unspeakable()})


@talking.task
def with_too_much_extra() -> None:
    logger.warning("paid", extra={"order": "x" * 20_000})


@talking.task
def with_arguments_that_fail() -> None:
    logging.raiseExceptions = False  # the other handlers would print about it
    logger.warning("paid by %s", Unspeakable())
    logger.warning("paid %d", "no number")


@talking.task
def with_an_exception() -> None:
    try:
        raise ValueError("x" * 20_000 + " is too long")
    except ValueError:
        logger.exception("refused")


@talking.task
def with_unstorable_texts() -> int:
    ctx = upnext.get_current_context()
    logger.warning("no file %s", "caf\udce9")
    ctx.send_log("info", "no file caf\udce9\0")
    ctx.set_progress(50, "caf\udce9")
    return 7


class Later:
    """A text that is made when it is asked for, as Django's lazy translations are."""

    def __str__(self) -> str:
        return "half"


@talking.task
def with_a_lazy_text() -> None:
    message: Any = Later()
    upnext.get_current_context().set_progress(50, message)
    upnext.get_current_context().send_log("info", message)


@talking.task
async def from_elsewhere() -> None:
    """Log from a thread of asyncio's, from one with a copied context, and from a bare one."""
    await asyncio.to_thread(logger.warning, "to_thread")
    for target in (contextvars.copy_context().run, lambda call, *args: call(*args)):
        thread = threading.Thread(target=target, args=(logger.warning, "thread"))
        thread.start()
        thread.join()
    await asyncio.create_task(_log_in_a_task())


async def _log_in_a_task() -> None:
    logger.warning("task")


@talking.task
async def quietly() -> None:
    """Log below LOG_LEVEL; send_log() is not asked for it."""
    logger.info("not kept")
    upnext.get_current_context().log.info("not kept")
    upnext.get_current_context().send_log("debug", "kept")
