"""Database connections around one attempt: checked before and after, in the attempt's own thread.

A worker has no request whose start and end would tell Django to look after its connections, so
this does it: connections past ``CONN_MAX_AGE``, broken ones and those with a transaction left open are
closed. Each async attempt that touches the ORM gets a thread of its own for it; otherwise asgiref runs
the ORM calls of all attempts one after another in a single thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["DatabaseScope"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

logger = logging.getLogger("upnext.worker")


class DatabaseScope:
    """What the runtime enters and leaves around each attempt: its AttemptScope port.

    Sync attempts call ``enter_thread`` and ``exit_thread`` in the thread that runs them. Async ones
    call ``enter_async`` in the context (task) of the attempt and ``exit_async`` with what it gave.
    An async attempt takes a thread at its first ORM call and gives it back at its end, so threads and
    their connections are used again by later attempts; there are as many as attempts that used the
    ORM at once. ``close()`` ends them all.
    """

    def __init__(self) -> None:
        self._pool = _ThreadPool()
        # asgiref finds the thread of a call by its context object. All attempts share this one, so
        # that entering costs no registration; the executor tells them apart by its own variable.
        self._context = ThreadSensitiveContext()
        self._current: ContextVar[_AsyncAttempt | None] = ContextVar("upnext_async_attempt", default=None)
        SyncToAsync.context_to_thread_executor[self._context] = _AttemptExecutor(self._pool, self._current)

    def enter_thread(self) -> None:
        """Check this thread's connections before an attempt in it."""
        _before()

    def exit_thread(self) -> None:
        """Check this thread's connections after an attempt, whatever it left behind."""
        _after()

    def enter_async(self) -> object:
        """Give the attempt that runs in this context a thread for its ORM calls, once it makes one."""
        attempt = _AsyncAttempt()
        self._current.set(attempt)
        SyncToAsync.thread_sensitive_context.set(self._context)
        return attempt

    def has_used(self, token: object) -> bool:
        """Tell whether the attempt took a thread; if not, exit_async() has nothing to do."""
        return isinstance(token, _AsyncAttempt) and token.thread is not None

    async def exit_async(self, token: object) -> None:
        """Check the connections of the attempt's thread, there, and give the thread back.

        Returns at once: the check stands behind the calls that the attempt left running in its
        thread, which must not delay its end. ORM calls of tasks that outlive the attempt borrow
        a thread each.
        """
        assert isinstance(token, _AsyncAttempt), token
        with token.lock:
            token.ended = True
            thread = token.thread
        if thread is not None:
            thread.submit(self._pool.give_back, thread)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call sync code in the thread of the attempt that runs in this context, as its ORM calls are."""
        return await sync_to_async(function, thread_sensitive=True)(*args)

    def close(self) -> None:
        """End the threads after their current call, with their connections."""
        self._pool.close()


class _AsyncAttempt:
    """The thread of one async attempt, None until its first ORM call."""

    __slots__ = ("ended", "lock", "thread")

    def __init__(self) -> None:
        self.thread: ThreadPoolExecutor | None = None
        self.ended = False
        self.lock = threading.Lock()


class _AttemptExecutor(Executor):
    """Sends each call to the thread of the attempt that it is made in.

    ``submit`` runs in the context of the caller (asyncio calls it from ``run_in_executor``), which
    is how it knows the attempt.
    """

    def __init__(self, pool: _ThreadPool, current: ContextVar[_AsyncAttempt | None]) -> None:
        self._pool = pool
        self._current = current

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        attempt = self._current.get()
        if attempt is not None:
            with attempt.lock:
                if not attempt.ended:
                    if attempt.thread is None:
                        attempt.thread = self._pool.take()
                    return attempt.thread.submit(fn, *args, **kwargs)
        thread = self._pool.take()
        future = thread.submit(fn, *args, **kwargs)
        thread.submit(self._pool.give_back, thread)
        return future


class _ThreadPool:
    """Executors of one thread each. The one used last is taken first, so that few stay warm."""

    def __init__(self) -> None:
        self._idle: deque[ThreadPoolExecutor] = deque()
        self._closed = False
        self._lock = threading.Lock()

    def take(self) -> ThreadPoolExecutor:
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upnext-orm")
        thread.submit(_before)
        return thread

    def give_back(self, thread: ThreadPoolExecutor) -> None:
        """Check the connections and put the thread with the idle ones. Runs in that thread."""
        _after()
        with self._lock:
            if not self._closed:
                self._idle.append(thread)
                return
        connections.close_all()
        thread.shutdown(wait=False)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
        for thread in idle:
            thread.submit(connections.close_all)
            thread.shutdown(wait=True)


class _Outer(threading.local):
    """Alias -> atomic blocks that this thread was in already when its attempt began."""

    blocks: dict[str, int]

    def __init__(self) -> None:
        self.blocks = {}


_outer = _Outer()


def _before() -> None:
    blocks = {}
    for connection in connections.all(initialized_only=True):
        connection.queries_log.clear()
        if connection.atomic_blocks:
            blocks[connection.alias] = len(connection.atomic_blocks)
        # Leaves a connection inside an atomic block alone, as all of this must: tests are in one.
        connection.close_if_unusable_or_obsolete()
    _outer.blocks = blocks


def _after() -> None:
    for connection in connections.all(initialized_only=True):
        if _is_left_open(connection):
            _abandon(connection)
        else:
            connection.close_if_unusable_or_obsolete()


def _is_left_open(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block:
        return len(connection.atomic_blocks) > _outer.blocks.get(connection.alias, 0)
    if connection.connection is None:
        return False
    return bool(connection.get_autocommit() != connection.settings_dict["AUTOCOMMIT"])


def _abandon(connection: BaseDatabaseWrapper) -> None:
    """Drop a connection that an attempt left in a transaction of its own.

    A timeout raises at any instruction of a thread, also between a block's BEGIN and the ``with`` that
    would end it. Kept, the connection would hold its locks and swallow the next attempt's writes.
    """
    logger.warning("An attempt left a transaction open on database %r; it was rolled back.", connection.alias)
    # Out of the blocks first: within them close() only marks the connection.
    connection.in_atomic_block = False
    connection.atomic_blocks.clear()
    connection.close()
    # The object still remembers savepoints and hooks; the next use makes a new one.
    del connections[connection.alias]
