"""Calls of users' functions on the loop, outside of the engine's asyncio task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], T]) -> T:
    """Call a function in a callback of the loop, where no asyncio task is current; gives what it gives.

    So a user's function that is called there cannot cancel the task that waits here, now or later.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        if answer.done():  # nobody waits any more
            return
        try:
            answer.set_result(work())
        except BaseException as error:  # it is for whoever waits, and not for the loop
            answer.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

    loop.call_soon(call)
    return await answer
