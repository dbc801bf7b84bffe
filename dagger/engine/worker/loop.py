"""The background loop of a worker, from the moment it joins its log to the moment it leaves."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import anyio.abc
import anyio.lowlevel

from dagger.engine.backoff import Backoff
from dagger.engine.clock import Clock
from dagger.engine.ports import Log
from dagger.engine.worker.tasks import Tasks
from dagger.engine.worker.wall_timer import WallClockTimer
from dagger.engine.worker.worker import Worker
from dagger.errors import BackendUnavailable, DaggerError, EngineClosed, Fenced

logger: Final = logging.getLogger("dagger")

APPLY_S: Final = 1.0
"""How long a worker that leaves continues to apply what is on the log, in seconds; the rest is for the next owner."""

START_S: Final = 0.2
"""How long a worker that leaves while it starts may take to finish what it does, in seconds."""

EARLY_S: Final = 0.1
"""How long timers wait before they are checked again while this machine's clock is ahead, in seconds."""


class WorkLoop:
    """Applies batches and fires timers, beside the tasks that these start. It runs once."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        worker: Worker,
        tasks: Tasks,
        grace_s: float,
        failed: Callable[[BaseException], None],
    ) -> None:
        """`failed` is called if the work ends with an error."""
        self._log = log
        self._clock = clock
        self._worker = worker
        self._tasks = tasks
        self._grace_s = grace_s
        self._failed = failed
        self._group: anyio.abc.TaskGroup | None = None
        self._host: asyncio.Task[Any] | None = None
        self._leaving, self._rested = anyio.Event(), anyio.Event()
        self._nap = anyio.CancelScope()
        self._is_settled = False
        """Whether something was owned or applied. Until then nothing is in flight."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the worker in the background. At the end, let running tasks finish, apply their results, and stop."""
        try:
            async with self._log.join(), anyio.create_task_group() as group:
                self._group, self._host = group, asyncio.current_task()
                try:
                    group.start_soon(self._work)
                    yield
                    await self._drain()
                finally:
                    await self._tasks.end_all()
                    self._group = None
                    group.cancel_scope.cancel()
            return
        except BaseExceptionGroup as several:
            failed = several.exceptions[0]
            if len(several.exceptions) > 1 or not isinstance(failed, DaggerError):
                raise
        raise failed  # the error as the backend raised it, without the group as its context

    def spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        """Run a task beside the loop; False if nothing more is started."""
        if self._group is None or self._leaving.is_set():
            return False
        self._group.start_soon(fn)
        return True

    async def _work(self) -> None:
        try:
            await self._work_on()
        except anyio.get_cancelled_exc_class():
            if self._is_leaving():
                raise
            text = "the engine's own work was cancelled by other code in its event loop; cancel only tasks of your own"
            closed = EngineClosed(text)
            self._failed(closed)
            raise closed from None
        except Exception as error:
            self._failed(error)
            raise
        finally:
            self._rested.set()

    def _is_leaving(self) -> bool:
        """Whether a cancellation comes from the engine or from the code around it."""
        is_around = anyio.current_effective_deadline() == -math.inf or (
            self._host is not None and self._host.cancelling()
        )
        return self._group is None or bool(is_around)

    async def _work_on(self) -> None:
        backoff, is_sound = Backoff(), True
        while not self._leaving.is_set():
            try:
                if not is_sound:
                    await self._worker.rewind()  # it may fail for as long as the call that is repeated
                    is_sound = True
                await self._worker.fire_due_timers()
                if await self._worker.run_once():
                    self._is_settled = True
                    # A backend in this process never suspends, so code beside the engine would never run.
                    await anyio.lowlevel.checkpoint()
                else:
                    await self._idle()
                backoff.succeeded()
            except Fenced as error:
                logger.warning("%s: going on with what is owned", error)
                is_sound = False
            except BackendUnavailable as error:
                backoff.failed(error)
                is_sound = False
                await backoff.sleep()

    async def _idle(self) -> None:
        """Sleep until there is something to poll, or the next timer is due."""
        with anyio.CancelScope() as self._nap:
            timer = WallClockTimer(self._clock, self._nap.cancel)
            if self._worker.next_due is not None:
                timer.start(self._worker.next_due, EARLY_S if self._log.is_early else 0.001)
            try:
                if not self._leaving.is_set():
                    await self._log.wait()
            finally:
                timer.cancel()

    async def _drain(self) -> None:
        """Start nothing more; let running tasks end for a while, and apply their results."""
        self._leaving.set()
        self._tasks.leave()
        with anyio.move_on_after(self._grace_s):
            await self._tasks.ended()
        await self._tasks.end_all()
        self._nap.cancel()
        with anyio.move_on_after(self._grace_s if self._is_settled else START_S):
            await self._rested.wait()
        if not (self._rested.is_set() and self._is_settled):
            return
        try:
            with anyio.move_on_after(APPLY_S):  # not for ever: others may keep appending to the log
                while await self._worker.run_once():
                    await anyio.lowlevel.checkpoint()
        except (Fenced, BackendUnavailable) as error:
            logger.warning("%s: the next owner goes on from there", error)
