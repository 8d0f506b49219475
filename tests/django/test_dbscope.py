"""Database connections around attempts: checked, kept apart, used again, never left in a transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction

from tests.waiting import wait_until
from upnext_django.dbscope import DatabaseScope

Attempt = Callable[[], Awaitable[Any]]


@pytest.fixture
def scope() -> Iterator[DatabaseScope]:
    scope = DatabaseScope()
    yield scope
    scope.close()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """A worker thread: one thread that runs sync attempts one after the other."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


async def run_attempt(scope: DatabaseScope, attempt: Attempt) -> Any:
    """Run one async attempt as the worker does: in a task of its own."""

    async def run() -> Any:
        token = scope.enter_async()
        try:
            return await attempt()
        finally:
            if scope.has_used(token):
                await scope.exit_async(token)

    return await asyncio.create_task(run())


def in_attempt(scope: DatabaseScope, work: Callable[[], Any]) -> Any:
    scope.enter_thread()
    try:
        return work()
    finally:
        scope.exit_thread()


def test_an_attempt_that_never_touches_the_orm_takes_no_thread(scope):
    async def main() -> bool:
        token = scope.enter_async()
        await asyncio.sleep(0)
        return bool(scope.has_used(token))

    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("upnext-orm")]

    before = threads()

    assert asyncio.run(main()) is False
    assert threads() == before


def test_sync_code_that_is_called_runs_in_the_thread_of_the_orm_calls(scope):
    """A sync hook of an async task left connections in threads that nobody looked after."""

    async def attempt() -> tuple[int, int]:
        return await sync_to_async(threading.get_ident)(), await scope.call(threading.get_ident)

    orm, called = asyncio.run(run_attempt(scope, attempt))

    assert called == orm != threading.get_ident()


def test_all_calls_of_one_attempt_run_in_one_thread_and_not_the_loop(scope):
    async def attempt() -> set[int]:
        return {await sync_to_async(threading.get_ident)() for _ in range(3)}

    (used,) = asyncio.run(run_attempt(scope, attempt))

    assert used != threading.get_ident()


def test_attempts_at_once_do_not_wait_for_each_other(scope):
    meeting = threading.Barrier(3, timeout=10)

    async def attempt() -> None:
        await sync_to_async(meeting.wait)()

    async def main() -> None:
        await asyncio.gather(*(run_attempt(scope, attempt) for _ in range(3)))

    asyncio.run(main())

    assert not meeting.broken


def test_a_task_that_an_attempt_starts_shares_its_thread(scope):
    async def attempt() -> tuple[int, int]:
        child = asyncio.create_task(sync_to_async(threading.get_ident)())
        return await sync_to_async(threading.get_ident)(), await child

    mine, childs = asyncio.run(run_attempt(scope, attempt))

    assert mine == childs


def test_a_task_that_outlives_its_attempt_still_reaches_the_orm(scope):
    async def main() -> int:
        late = asyncio.Event()
        tasks = []

        async def straggler() -> int:
            await late.wait()
            return await sync_to_async(threading.get_ident)()

        async def attempt() -> None:
            tasks.append(asyncio.create_task(straggler()))
            await sync_to_async(threading.get_ident)()

        await run_attempt(scope, attempt)
        late.set()
        return await tasks[0]

    assert asyncio.run(main()) != threading.get_ident()


def test_a_call_that_is_stuck_does_not_delay_the_end_of_its_attempt(scope):
    release = threading.Event()

    async def main() -> bool:
        async def attempt() -> None:
            call = asyncio.ensure_future(sync_to_async(release.wait)())
            await asyncio.sleep(0)
            assert not call.done()

        await asyncio.wait_for(run_attempt(scope, attempt), timeout=5)
        ended_first = not release.is_set()
        release.set()
        return ended_first

    assert asyncio.run(main())


@pytest.mark.django_db(transaction=True)
def test_later_attempts_use_the_threads_and_connections_of_earlier_ones_again(scope):
    seen: set[tuple[int, int]] = set()

    def look() -> None:
        connection.ensure_connection()
        seen.add((threading.get_ident(), id(connections["default"])))

    async def main() -> None:
        for _ in range(20):
            await run_attempt(scope, lambda: sync_to_async(look)())

    asyncio.run(main())

    # Not one: an attempt may start before the check of the one before has given its thread back.
    assert len(seen) < 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_transaction_that_an_attempt_leaves_open_is_rolled_back(scope, thread, caplog, kind):
    def leave_open() -> object:
        transaction.atomic().__enter__()
        return connections["default"]

    def look() -> tuple[bool, bool, object]:
        return connection.in_atomic_block, connection.get_autocommit(), connections["default"]

    if kind == "sync":
        left = thread.submit(in_attempt, scope, leave_open).result()
        in_block, autocommit, now = thread.submit(in_attempt, scope, look).result()
    else:

        async def main() -> tuple[object, tuple[bool, bool, object]]:
            left = await run_attempt(scope, lambda: sync_to_async(leave_open)())
            scope.close()  # ends the thread behind its check
            return left, await run_attempt(scope, lambda: sync_to_async(look)())

        left, (in_block, autocommit, now) = asyncio.run(main())

    assert (in_block, autocommit) == (False, True)
    assert now is not left or kind == "async"
    # Of async code another thread says so.
    wait_until(lambda: "left a transaction open on database 'default'" in caplog.text, "it is logged")


@pytest.mark.django_db(transaction=True)
def test_autocommit_that_an_attempt_switched_off_is_on_for_the_next(scope, thread):
    thread.submit(in_attempt, scope, lambda: transaction.set_autocommit(False)).result()

    assert thread.submit(in_attempt, scope, transaction.get_autocommit).result() is True


@pytest.mark.django_db
def test_the_transaction_around_a_test_stays_open(scope):
    in_attempt(scope, lambda: connection.ensure_connection())

    assert connection.in_atomic_block
    assert connection.connection is not None


@pytest.mark.django_db(transaction=True)
def test_queries_that_debug_logs_do_not_pile_up_over_attempts(scope, thread):
    def query() -> int:
        connection.force_debug_cursor = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return len(connection.queries_log)

    counts = [thread.submit(in_attempt, scope, query).result() for _ in range(3)]

    assert counts == [1, 1, 1]
