"""Calls of users' functions on the loop, while no asyncio task is current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """Call a function while no asyncio task is current; gives what it gives.

    So a user's function that is called there cannot cancel the engine's task, now or later. The two functions are those
    that https://docs.python.org/3/library/asyncio-extending.html names for code that runs tasks of its own.
    """
    task = asyncio.current_task()
    if task is None:
        return work()
    loop = asyncio.get_running_loop()
    asyncio._leave_task(loop, task)
    try:
        return work()
    finally:
        asyncio._enter_task(loop, task)
