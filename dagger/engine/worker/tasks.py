"""Runs tasks: a bounded number at a time, each once at a time. A result is appended to the log of its instance."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from dagger.core.effects import RunTask
from dagger.engine.clock import CallScheduler, LoopScheduler
from dagger.engine.worker.calls import Outcome as Outcome
from dagger.engine.worker.calls import TaskCall as TaskCall
from dagger.engine.worker.context import TaskContext
from dagger.engine.worker.queue import Limiter, Pool, Queue
from dagger.errors import in_line
from dagger.plan.ops import Task
from dagger.plan.plan import Plan

logger: Final = logging.getLogger("dagger")

LINGER_S: Final = 1.0
"""How long a task that was asked to end keeps its place if it does not end, in seconds."""
UNWIND_S: Final = 5.0
"""How long a worker that ends waits for tasks that were asked to end, in seconds; then their resources are closed."""


class Spawn(Protocol):
    """Starts a coroutine in the background; returns whether it did."""

    def __call__(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool: ...


class Tasks:
    """The tasks that run in this worker, at most `most` at a time and `threads` of them in threads, and those that
    wait for their turn.

    A timeout counts from the call. A task that is stopped or takes too long is cancelled, and its result is dropped. If
    it does not end within `LINGER_S`, or runs in a thread, it gives up its place; at most as many as may run at a time
    can do so. So a task that ignores its cancellation blocks nothing, and the number of such tasks is bounded.
    """

    def __init__(
        self,
        report: Callable[[str, Outcome], Awaitable[None]],
        resources: Callable[[], Any],
        spawn: Spawn,
        *,
        size_max: Callable[[], int],
        most: int,
        threads: int,
        scheduler: CallScheduler | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._report = report
        self._resources = resources
        self._spawn = spawn
        self._size_max = size_max
        self._most = most
        self._threads = threads
        self._scheduler = LoopScheduler() if scheduler is None else scheduler
        self._changed = changed
        self._limiter = anyio.CapacityLimiter(math.inf)  # the limit is enforced here
        self._queue = Queue[TaskCall]()
        self._limiters: dict[str, Limiter] = {}
        self._calls: dict[tuple[str, int], TaskCall] = {}
        """The calls that wait or run and were not asked to end."""
        self._running: set[TaskCall] = set()
        """The calls that have a place."""
        self._in_threads = 0
        """How many of them need a thread."""
        self._lingering: set[TaskCall] = set()
        """The calls that were asked to end, have not ended, and have lost their place."""
        self._lingering_threads = 0
        self._wake: Callable[[], None] | None = None
        self._news: anyio.Event | None = None
        """Set when a task has ended, if somebody waits for it."""
        self.leaving = False
        """Whether no more tasks are started."""

    @property
    def paths(self) -> list[str]:
        """The instance and path of every running task that has not reported that it hangs."""
        return [call.path for call in self._running if not call.hangs or call.is_ending]

    @property
    def is_hanging(self) -> bool:
        """Whether a task runs that has reported that it hangs."""
        return any(call.hangs for call in self._running)

    def start(self, id: str, plan: Plan, order: RunTask) -> None:
        """Start a task when its turn comes, unless it already runs or waits."""
        key = (id, order.frame)
        if self.leaving or key in self._calls:
            return
        op = plan.ops[order.op]
        assert isinstance(op, Task)
        self._calls[key] = call = TaskCall(id, plan.template, op, order)
        self._queue.add(call.pool, call)
        self._fill()

    def stop(self, id: str, frame: int) -> None:
        """Stop a task; its result is dropped."""
        call = self._calls.pop((id, frame), None)
        if call is not None:
            self._queue.remove(call.pool, call)
            call.end()

    def stop_where(self, found: Callable[[str], bool]) -> None:
        """Stop every task of these instances."""
        for id, frame in list(self._calls):
            if found(id):
                self.stop(id, frame)

    def stop_all(self) -> None:
        """Stop every task, and start none."""
        self.leave()
        self.stop_where(lambda id: True)

    def leave(self) -> None:
        """Start no more tasks; another worker starts those that wait."""
        self.leaving = True
        for call in self._queue.clear():
            del self._calls[call.id, call.frame]
        self._call_off()

    async def ended(self) -> None:
        """Return when no task runs."""
        await self._until(lambda: not self._running and not self._lingering)

    async def obeyed(self) -> None:
        """Return when no task that was asked to end has a place."""
        await self._until(lambda: not any(call.is_ending for call in self._running))

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._news = self._news or anyio.Event()
            await self._news.wait()

    async def end_all(self) -> None:
        """Stop every task, and wait a while for them to end."""
        self.stop_all()
        for call in [call for call in self._running if call.is_lost]:  # nothing reports their end
            self._forget(call)
        with anyio.move_on_after(UNWIND_S, shield=True):
            await self._until(lambda: all(call.is_over for call in self._running) and not self._lingering)

    # The next call.

    def _fill(self) -> None:
        """Start the tasks that may start now."""
        if not self.leaving:
            while len(self._running) + max(0, len(self._lingering) - self._most) < self._most:
                pool = self._next_pool()
                if pool is None:
                    return
                self._begin(self._queue.pop(pool))

    def _next_pool(self) -> Pool | None:
        """The pool from which a call may begin now. If there is none, a timer is set for the next one."""
        next_start = list[int]()
        for pool in self._queue.pools:
            at = self._next_start(pool)
            if at is not None and at <= self._scheduler.now():
                return pool
            if at is not None:
                next_start.append(at)
        self._call_off()
        if next_start:
            self._wake = self._scheduler.call_at(min(next_start), self._fill)
        return None

    def _next_start(self, pool: Pool) -> int | None:
        """When a call of a pool may begin; None if a call has to end first."""
        name, in_thread = pool
        if in_thread and self._in_threads + max(0, self._lingering_threads - self._threads) >= self._threads:
            return None
        limiter = self._limiters.get(name)
        return 0 if limiter is None else limiter.next_start(self._scheduler.now())

    def _call_off(self) -> None:
        if self._wake is not None:
            self._wake()
            self._wake = None

    def _begin(self, call: TaskCall) -> None:
        self._running.add(call)
        self._in_threads += call.needs_thread
        limiter = self._limiter_of(call)
        if limiter is not None:
            limiter.enter(self._scheduler.now())
        if not call.variables.run(self._spawn, partial(self._run, call)):
            self._forget(call)

    def _limiter_of(self, call: TaskCall) -> Limiter | None:
        limit = call.op.limit
        if limit is None:
            return None
        limiter = self._limiters.get(limit.name)
        if limiter is None:
            limiter = self._limiters[limit.name] = Limiter(limit)
        return limiter

    def _forget(self, call: TaskCall) -> None:
        """Give up the place of a call."""
        self._running.discard(call)
        self._in_threads -= call.needs_thread
        call.needs_thread = False
        limiter = self._limiter_of(call)
        if limiter is not None:
            limiter.leave()
        if self._calls.get((call.id, call.frame)) is call:  # otherwise it was started again meanwhile
            del self._calls[call.id, call.frame]

    def _refill(self) -> None:
        """A call has ended: others may begin."""
        self._changed()
        if self._news is not None:
            self._news.set()
            self._news = None
        self._fill()

    # A call.

    async def _run(self, call: TaskCall) -> None:
        call_off: Callable[[], None] | None = None
        try:
            if call.stopped:
                return
            call.begin(self._context(call), partial(self._through_thread, call))
            if call.op.after >= 0:
                expire = partial(call.end, timed_out=True)
                call_off = self._scheduler.call_at(self._scheduler.now() + call.op.after, expire)
            await call.over()
            if call.is_ending:
                await self._end(call)
            if not call.stopped:
                await self._report(call.id, call.checked(call.outcome(), self._size_max()))
        finally:
            if call_off is not None:
                call_off()
            call.cancel()
            if call.task is not None and not call.task.done():
                self._lingering.add(call)
                call.task.add_done_callback(lambda _: self._left(call))
            self._forget(call)
            self._refill()

    def _context(self, call: TaskCall) -> TaskContext:
        order, path = call.order, call.op.path
        headers, hangs = MappingProxyType(order.headers), partial(self._hangs, call)
        return TaskContext(call.id, call.template, path, order.attempt, order.key, self._resources(), headers, hangs)

    def _hangs(self, call: TaskCall) -> None:
        """A task reports that it will not end."""
        call.hangs = True
        self._changed()

    async def _end(self, call: TaskCall) -> None:
        """Cancel a call, and wait a while for it to end."""
        call.cancel()
        assert call.task is not None
        _, left = await asyncio.wait([call.task], timeout=LINGER_S)
        if left:
            logger.warning("%s was cancelled and goes on; its result is dropped", in_line(call.path))

    def _left(self, call: TaskCall) -> None:
        self._lingering.discard(call)
        self._refill()

    # Threads.

    async def _through_thread(self, call: TaskCall, function: Callable[[], Any]) -> Any:
        try:
            return await self._in_thread(function)
        finally:
            self._in_threads -= call.needs_thread
            call.needs_thread = False
            if call.in_thread:  # it was abandoned
                self._lingering_threads += 1
                call.abandoned = partial(self._thread_left, call)
                if not call.in_thread:  # it has ended meanwhile, and its end may not have been reported
                    self._thread_left(call)
            self._fill()

    def _thread_left(self, call: TaskCall) -> None:
        if call.abandoned is not None:
            call.abandoned = None
            self._lingering_threads -= 1
            self._fill()

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Call a sync function beside the event loop."""
        return await anyio.to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=True)
