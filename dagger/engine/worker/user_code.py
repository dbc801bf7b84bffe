"""Calls of users' functions on the loop, while no asyncio task is current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dagger.engine.worker.rows import RowCache

T = TypeVar("T")


def outside_task(work: Callable[[], T]) -> T:
    """Call a function while no asyncio task is current; returns its result.

    So the function cannot cancel the engine's task, now or later. The two functions are those that
    https://docs.python.org/3/library/asyncio-extending.html names for code that runs tasks of its own.
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


class UserCode:
    """On whose behalf a user's function is being called: read by the thread that checks whether it returns."""

    def __init__(self, rows: RowCache) -> None:
        self._rows = rows
        self.key: str | None = None
        """The key of the entity of a record; empty while messages are decoded, None while nothing is called."""

    def run(self, work: Callable[[], T]) -> T:
        """Call a function as `outside_task` does; for messages, unless an entity is given."""
        self.key = ""
        try:
            return outside_task(work)
        finally:
            self.key = None

    @property
    def description(self) -> str:
        """The place in words; empty while nothing is called."""
        key = self.key
        if not key:
            return "" if key is None else "a batch of messages"
        loaded = self._rows.get(key)
        state = None if loaded is None else loaded.cell.entity.state
        return f"a record of '{key}'" + ("" if state is None else f" ({state.template})")
