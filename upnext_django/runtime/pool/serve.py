"""The program of a pool's process: runs one attempt after the other in its main thread.

A second thread hears the worker; when the pipe ends, the worker has died and so does this process.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import importlib.util
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import Context as Variables
from multiprocessing.connection import Connection
from types import FrameType

from upnext_django.core.masking import Mask
from upnext_django.core.outcome import Outcome
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.exceptions import UnknownTask
from upnext_django.runtime.attempt import End, Running
from upnext_django.runtime.crew import Interrupted
from upnext_django.runtime.joblog import JobLogHandler
from upnext_django.runtime.pool import messages
from upnext_django.runtime.pool.job import PoolJob
from upnext_django.runtime.pool.messages import FromChild, Hooks, JobFacts, Run
from upnext_django.runtime.pool.order import Order
from upnext_django.runtime.runner import Runner
from upnext_django.runtime.scope import AttemptScope, NoScope

__all__ = ["serve"]

#: By it the main thread is woken from whatever call it is in; user code may have handlers for others.
_TIMEOUT_SIGNAL = signal.SIGUSR2
_PR_SET_PDEATHSIG = 1
_NEWS_S = 0.05


def serve(channel: Connection, order: Order) -> None:
    """Run what comes through ``channel`` until it ends. In the main thread of a fresh process."""
    _die_with(order.parent)
    server = _Server(channel)
    try:
        server.prepare(order)
    except BaseException:  # noqa: BLE001 - the project's modules; the worker tells of it
        server.send(messages.Failed(traceback.format_exc()))
        return
    server.run()


class _Server:
    """The two threads' common state."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._telling = threading.Lock()
        self._orders: queue.SimpleQueue[Run | Hooks | None] = queue.SimpleQueue()
        self._job: PoolJob | None = None
        self._interruptible = False
        self._touched = threading.Event()
        threading.Thread(target=self._hear, name="upnext-pool", daemon=True).start()

    def prepare(self, order: Order) -> None:
        """Make this a process of the project and import the worker's functions."""
        if order.setup is not None:
            self._scope: AttemptScope = order.setup()
        else:
            self._scope = NoScope()
            ports.configure(environment=lambda: order.environment)
        secrets = [os.environ[name] for name in order.secret_variables if name in os.environ]
        self._secrets = Mask(secrets) if secrets else None
        for name, file in order.modules:
            _import(name, file)
        self._loop = asyncio.new_event_loop()
        self._runner = _PoolRunner(
            self._scope, self._loop, lambda outcome: self._tell_end(outcome, hooks=True)
        )

    def run(self) -> None:
        """Work until the worker says that there is no more."""
        signal.signal(_TIMEOUT_SIGNAL, self._interrupt)
        # For async hooks of sync functions, as the worker's own loop is there for those of threads.
        threading.Thread(target=self._loop.run_forever, name="upnext-pool-loop", daemon=True).start()
        threading.Thread(target=self._tell_news, name="upnext-pool-news", daemon=True).start()
        handler = JobLogHandler(ports.get_environment().log_level)
        handler.attach()
        self.send(messages.Ready())
        while (order := self._orders.get()) is not None:
            if isinstance(order, Run):
                self._run(order.job)
            else:
                self._run_hooks(order)
        self._scope.close()

    def send(self, message: FromChild) -> None:
        """Say something to the worker. Any thread."""
        with self._sending:
            self._channel.send_bytes(messages.encode(message))

    # -- main thread

    def _run(self, facts: JobFacts) -> None:
        outcome: Outcome | None = None
        try:
            job = self._begin(facts)
            try:
                self._interruptible = True
                # An empty context: what a job sets must not be seen by the next one.
                outcome = Variables().run(self._runner.run_in_thread, job)
            finally:
                self._interruptible = False
        except Interrupted:
            # It came while hooks ran; the worker knows what it means.
            outcome = None
        except UnknownTask as error:
            self.send(messages.Failed(str(error)))
            return
        told = self._runner.told
        self._leave()
        if told:
            self.send(messages.Done())
        else:
            self._tell_end(outcome, hooks=False)

    def _run_hooks(self, order: Hooks) -> None:
        job = self._begin(order.job)
        Variables().run(self._runner.run_hooks, job, order.outcome)
        self._leave()
        self.send(messages.Done())

    def _begin(self, facts: JobFacts) -> PoolJob:
        self._runner.told = False
        definition = registry.task(facts.envelope.function).definition
        job = PoolJob(facts, definition, send=self.send, touched=self._touched.set, tell=self._send_news)
        job.hide(self._secrets)
        self._job = job
        return job

    def _leave(self) -> None:
        job = self._job
        if job is not None:
            job.left = True
            self._send_news(job)
        self._job = None

    def _tell_end(self, outcome: Outcome | None, *, hooks: bool) -> None:
        # An interruption here would cut the message in two.
        self._interruptible = False
        if self._job is not None:
            self._send_news(self._job)
        self.send(messages.Ended(outcome, hooks))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interruptible:
            self._interruptible = False
            raise Interrupted

    # -- other threads

    def _hear(self) -> None:
        while True:
            try:
                message = messages.decode_to_child(self._channel.recv_bytes())
            except (EOFError, OSError):
                _end_group()
            match message:
                case messages.Run() | messages.Hooks():
                    self._orders.put(message)
                case messages.Granted() | messages.Refused():
                    if self._job is not None:
                        self._job.answers.put(message)
                case messages.End():
                    self._end(message.why)
                case messages.Close():
                    self._orders.put(None)

    def _end(self, why: str) -> None:
        job = self._job
        if job is None or job.end is not None:
            return
        job.end = why
        if why == End.TIMEOUT:
            main = threading.main_thread().ident
            if main is not None:
                signal.pthread_kill(main, _TIMEOUT_SIGNAL)

    def _tell_news(self) -> None:
        """Send what the job says of itself, at most twenty times a second."""
        pause = threading.Event()
        while True:
            self._touched.wait()
            self._touched.clear()
            job = self._job
            if job is not None:
                self._send_news(job)
            pause.wait(_NEWS_S)

    def _send_news(self, job: PoolJob) -> None:
        # The lock also has the main thread wait for news on their way: what comes after the end is not heard.
        with self._telling:
            news = job.take_news()
            if news is not None:
                self.send(news)


class _PoolRunner(Runner):
    """Tells how an attempt ended before its hooks run: killed among them, it has ended all the same."""

    def __init__(
        self, scope: AttemptScope, loop: asyncio.AbstractEventLoop, tell: Callable[[Outcome], None]
    ) -> None:
        super().__init__(ports.get_environment(), scope, loop)
        self._tell = tell
        self.told = False

    def _before_hooks(self, attempt: Running, outcome: Outcome) -> None:
        self.told = True
        self._tell(outcome)


def _import(name: str, file: str | None) -> None:
    """Import a module, from its file where its name is no longer importable."""
    if name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if file is None or error.name != name:
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def _die_with(parent: int) -> None:
    """Have a group of our own, hear no signal meant for the worker, and end when the worker does."""
    os.setpgid(0, 0)
    # Handlers, not SIG_IGN: that would be inherited by the programs that a task starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        # The end of the pipe tells too, but only a process whose threads get their turn: not in a C call.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        _end_group()


def _end_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)
