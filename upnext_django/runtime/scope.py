"""What surrounds each attempt: Django's database connections, by a port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["AttemptScope", "NoScope"]


class AttemptScope(Protocol):
    """Called in the thread, or in the task, that runs the attempt."""

    def enter_thread(self) -> None: ...

    def exit_thread(self) -> None: ...

    def enter_async(self) -> object: ...

    def has_used(self, token: object) -> bool:
        """Whether ``exit_async`` has anything to do."""

    async def exit_async(self, token: object) -> None: ...

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call sync code of an async attempt in a thread whose connections are looked after."""

    def close(self) -> None:
        """Release everything; called once when the worker ends."""


class NoScope:
    """The scope of a worker without Django."""

    def enter_thread(self) -> None:
        return

    def exit_thread(self) -> None:
        return

    def enter_async(self) -> object:
        return None

    def has_used(self, token: object) -> bool:
        return False

    async def exit_async(self, token: object) -> None:
        return

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(function, *args)

    def close(self) -> None:
        return
