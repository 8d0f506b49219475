"""One worker process: puts the parts together, runs until told to stop, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from upnext_django.broker.broker import Broker
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.names import variable_of
from upnext_django.declare.worker import SyncExecutor, Worker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.runtime.consumer import BLOCK_S, Consumer
from upnext_django.runtime.executor import Executor
from upnext_django.runtime.health import Health, HealthFile
from upnext_django.runtime.heartbeat import Heartbeat
from upnext_django.runtime.joblog import JobLogHandler
from upnext_django.runtime.loop import CANCEL_GRACE_S, close, loop_factory, run_on
from upnext_django.runtime.options import EXIT_OK, WorkerOptions
from upnext_django.runtime.orders import Orders
from upnext_django.runtime.pool.hand import Pool
from upnext_django.runtime.pool.order import order_for, refuse_while_importing
from upnext_django.runtime.reporter import Reporter
from upnext_django.runtime.retire import Retirement
from upnext_django.runtime.scope import AttemptScope, NoScope
from upnext_django.runtime.secrets import put_secrets
from upnext_django.runtime.service import Service
from upnext_django.runtime.serving import served_functions, serving
from upnext_django.runtime.settler import Settler
from upnext_django.runtime.ticker import Ticker, served_crons
from upnext_django.runtime.timetable import Timetable

__all__ = ["WorkerProcess"]

logger = logging.getLogger("upnext.worker")

_WATCH_S = 0.1
#: A burst ends with a look that finds nothing, so it looks often.
_BURST_BLOCK_S = 0.2
_SECOND_SIGNAL_S = 1.0
_DRAIN_S = 30.0
#: Jobs that wait for children, as the registry names them: a worker may have thousands.
_MOST_WAITING_TOLD = 100
_KILL_LOOKS = 100  # of 20 ms


@cache
def _version() -> str:
    """Return the installed version of upnext_django, "" where it was not installed."""
    try:
        return version("upnext-django")
    except PackageNotFoundError:
        return ""


class WorkerProcess:
    """Serves Workers of one Redis. ``run()`` blocks; ``stop()`` may be called from any thread.

    Making it puts the secrets of its Workers into the environment; raises as put_secrets() does.
    ``timetable`` has what it makes ticks of; None are the crons of the Workers. ``health`` says how it is.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        options: WorkerOptions,
        *,
        broker: Broker,
        scope: AttemptScope | None = None,
        services: Sequence[Service] = (),
        timetable: Timetable | None = None,
        pool_setup: Callable[[], AttemptScope] | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        refuse_while_importing()
        self.id = f"{socket.gethostname()[:24]}-{os.getpid()}-{os.urandom(3).hex()}".replace(":", "-")
        self.workers = workers
        self.options = options
        self.health = Health()
        # Here and not in run(): a start that must fail has told nobody yet that it began.
        self._mask = put_secrets(serving(workers, options.queues))
        self._broker = broker
        self._scope = scope or NoScope()
        self._services = list(services)
        self._pool_setup = pool_setup
        self._on_ready = on_ready
        self._timetable = timetable
        self._started_ms = 0
        self._stops = 0
        self._first_stop_s = 0.0
        self._exit_code = EXIT_OK
        self._stop_early = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._orders: Orders
        self._executor: Executor
        self._consumers: list[Consumer] = []

    def run(self) -> int:
        """Work until stopped; returns the exit code, one of runtime/options.py."""
        loop = loop_factory()()
        main = loop.create_task(self._main())
        try:
            while not main.done():
                run_on(loop, main)
        finally:
            close(loop)
        main.result()
        return self._exit_code

    def stop(self, *, now: bool = False) -> None:
        """Take no more work and end; ``now`` hands running jobs back at once."""
        self._stop_early = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stop_now.set if now else self._stop_asked.set)
            if now:
                loop.call_soon_threadsafe(self._stop_asked.set)

    # -- life

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._stop_early:
            return
        health = asyncio.create_task(self.health.watch())
        try:
            await self._work()
        finally:
            health.cancel()

    async def _work(self) -> None:
        with self._signals():
            await self._wait_for_redis()
            if self._stop_asked.is_set():
                return
            async with self._parts() as (settler, heartbeat):
                if self.options.burst:
                    for service in self._services:
                        if service.brings_jobs:
                            await asyncio.to_thread(service.drain, _DRAIN_S)
                for consumer in self._consumers:
                    consumer.start()
                self.health.take_jobs(True)
                if self._on_ready is not None:
                    self._on_ready()
                watch = asyncio.create_task(self._watch())
                if self.options.burst:
                    burst = asyncio.create_task(self._until_drained())
                await self._stop_asked.wait()
                self.health.take_jobs(False)
                logger.info("stopping: no more work is taken; running jobs have %.0f s", self._grace_s)
                await self._shut_down(settler)
                watch.cancel()
                if self.options.burst:
                    burst.cancel()
                await asyncio.to_thread(heartbeat.stop)

    @contextlib.asynccontextmanager
    async def _parts(self) -> AsyncIterator[tuple[Settler, Heartbeat]]:
        loop = asyncio.get_running_loop()
        self._broker.directory.learn(
            queue for worker in self.workers for queue in served_functions(worker, None)
        )
        self._started_ms = int(time.time() * 1000)
        reporter = Reporter(loop)
        settler = Settler(self._broker, reporter, self._at_work)
        executor = self._executor = Executor(self._broker, settler, reporter, self._scope, loop)
        self._consumers = [
            self._consumer(worker, served, executor, reporter, loop)
            for worker in self.workers
            if (served := served_functions(worker, self.options.queues))
        ]
        crons = served_crons(self.workers, self.options.queues)
        if (crons or self._timetable is not None) and self.options.ticks:
            self._services.append(Ticker(self._broker, self._timetable or Timetable(crons)))
        file = None if (path := self.options.health_file) is None else HealthFile(path)
        heartbeat = Heartbeat(
            self._broker, executor, settler, self._consumers, loop, self._about, self.id, self.health, file
        )
        self._orders = Orders(
            loop,
            executor,
            self._consumers,
            stop_asked=self._stop_asked,
            changed=heartbeat.register_soon,
        )
        for consumer in self._consumers:
            for queue in consumer.functions:
                self._broker.mailbox.open(self._broker.keys(queue).inbox(self.id), self._orders.hear)
        handler = JobLogHandler(self._broker.environment.log_level)
        tasks = [asyncio.create_task(settler.run()), asyncio.create_task(settler.run_reports())]
        handler.attach()
        heartbeat.start()
        for service in self._services:
            service.start()
        try:
            yield settler, heartbeat
        finally:
            handler.detach()
            if self.options.burst:
                for service in self._services:
                    await asyncio.to_thread(service.drain, _DRAIN_S)
            for service in self._services:
                service.stop()
            for service in self._services:
                if not await asyncio.to_thread(service.join, 10.0):
                    logger.warning("%s did not stop within 10 s", service.name)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for consumer in self._consumers:
                await consumer.close()
            await settler.close()
            for consumer in self._consumers:
                for queue in consumer.functions:
                    self._broker.mailbox.shut(self._broker.keys(queue).inbox(self.id))
            self._scope.close()

    def _consumer(
        self,
        worker: Worker,
        served: dict[str, dict[str, TaskDefinition]],
        executor: Executor,
        reporter: Reporter,
        loop: asyncio.AbstractEventLoop,
    ) -> Consumer:
        capacity = self.options.concurrency or worker.concurrency
        return Consumer(
            worker.name,
            worker_id=self.id,
            functions=served,
            capacity=capacity,
            prefetch=worker.options.prefetch,
            threads=worker.options.sync_pool_size,
            broker=self._broker,
            executor=executor,
            reporter=reporter,
            loop=loop,
            block_s=_BURST_BLOCK_S if self.options.burst else BLOCK_S,
            mask=self._mask,
            pool=self._pool(executor) if worker.options.sync_executor is SyncExecutor.PROCESS else None,
        )

    def _pool(self, executor: Executor) -> Pool:
        asked = {name for one in serving(self.workers, self.options.queues) for name in one.options.secrets}
        variables = sorted(map(variable_of, asked))
        return Pool(order_for(self._broker.environment, self._pool_setup, variables), executor)

    def _at_work(self) -> bool:
        """Whether any slot is taken by a job that runs."""
        return any(consumer.slots.used for consumer in self._consumers)

    async def _wait_for_redis(self) -> None:
        pause = 0.5
        while not self._stop_asked.is_set():
            try:
                await asyncio.to_thread(self._broker.ping_sync)
                return
            except RedisUnavailable as error:
                logger.warning("%s Trying again in %.1f s.", error, pause)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop_asked.wait()
                pause = min(pause * 2, 5.0)

    def _about(self) -> dict[str, Any]:
        """What the registry and the admin show of this process. Heartbeat thread."""
        return {
            "id": self.id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": _version(),
            "state": self._orders.state,
            "names": [consumer.name for consumer in self._consumers],
            "queues": sorted({queue for consumer in self._consumers for queue in consumer.functions}),
            "functions": sorted(
                {fn for c in self._consumers for served in c.functions.values() for fn in served}
            ),
            "concurrency": sum(consumer.slots.capacity for consumer in self._consumers),
            "running": len(self._executor.held),
            "suspended": sum(consumer.suspended for consumer in self._consumers),
            "stuck_threads": sum(consumer.crew.stuck for consumer in self._consumers),
            "started_ms": self._started_ms,
            "consumers": [consumer.about() for consumer in self._consumers],
            "waiting_for_children": [
                attempt.id for attempt in list(self._executor.held.values()) if attempt.is_suspended
            ][:_MOST_WAITING_TOLD],
        }

    # -- looking after

    async def _watch(self) -> None:
        """Look after deadlines, stale claims and stuck threads, ten times a second."""
        retirement = Retirement(
            self.options,
            self._executor,
            self._consumers,
            most_stuck=self._broker.environment.max_stuck_threads,
        )
        while True:
            await asyncio.sleep(_WATCH_S)
            self._executor.end_overdue()
            for consumer in self._consumers:
                consumer.hand_back_stale()
            reason = None if self._exit_code else retirement.reason()
            if reason is not None:
                logger.log(reason.level, "%s", reason.text)
                self._exit_code = reason.exit_code
                self._stop_asked.set()

    async def _until_drained(self) -> None:
        while True:
            for consumer in self._consumers:
                await consumer.idle.wait()
            if not self._executor.held and all(consumer.idle.is_set() for consumer in self._consumers):
                self._stop_asked.set()
                return
            await asyncio.sleep(_WATCH_S)

    # -- the end

    @property
    def _grace_s(self) -> float:
        return self.options.shutdown_timeout_s

    async def _shut_down(self, settler: Settler) -> None:
        executor = self._executor
        await asyncio.gather(*(consumer.close_gate() for consumer in self._consumers))
        deadline = time.monotonic() + self._grace_s
        while executor.held and not self._stop_now.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._stop_now.wait()
        if executor.held:
            logger.info("handing %d running jobs back", len(executor.held))
            executor.hand_back(executor.held.values())
            tasks = [attempt.task for attempt in executor.held.values() if attempt.task is not None]
            if tasks:
                await asyncio.wait(tasks, timeout=CANCEL_GRACE_S)
            for _ in range(_KILL_LOOKS):
                if executor.can_be_killed:
                    await asyncio.sleep(_WATCH_S / 5)
            executor.hand_back_running()
        await settler.write_reports()
        if not await settler.drained(10.0):
            logger.error("Redis did not take the last endings; these jobs run again after their lease.")
        with contextlib.suppress(RedisUnavailable):
            for consumer in self._consumers:
                await consumer.ring_on_leaving()

    @contextlib.contextmanager
    def _signals(self) -> Any:
        """Stop on SIGTERM and SIGINT. Outside the main thread only ``stop()`` does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        """First: drain. Again within a second: both supervisor and group said it. Later: now. Third: exit."""
        now = time.monotonic()
        if self._stops == 0:
            self._stops, self._first_stop_s = 1, now
            self._stop_asked.set()
        elif now - self._first_stop_s >= _SECOND_SIGNAL_S:
            self._stops += 1
            self._stop_now.set()
            if self._stops > 2:
                os._exit(1)
