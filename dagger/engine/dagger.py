"""`Dagger`: the engine as users see it."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Literal, Self

import anyio
import anyio.abc
import anyio.lowlevel
from typing_extensions import override

from dagger.core.effects import StopTask
from dagger.core.state import FOREVER, State
from dagger.engine.client import Client
from dagger.engine.clock import MICROSECOND, Clock, SystemClock
from dagger.engine.connect import connect
from dagger.engine.ports import Backend
from dagger.engine.prepare import checked_settings, checked_unmatched
from dagger.engine.tasks import Outcome, Tasks
from dagger.engine.worker import Local, Worker
from dagger.plan.plan import Limits

logger: Final = logging.getLogger("dagger")

APPLY_S: Final = 1.0
"""How long a leaving worker goes on applying what is on the log, in seconds; the rest is for the next owner."""

Lifespan = Callable[["Dagger"], AbstractAsyncContextManager[Any]]


class Dagger(Client):
    """An engine: registers templates, accepts instances, and, as a worker, runs them.

    `broker` and `store` are URLs of a backend (`memory://`, the default); where a backend is both, `store` is
    left out. `lifespan` is called with the engine and gives an async context manager; what that yields is
    `dagger.context().resources` in tasks. `threads` bounds how many sync tasks run at once. `grace` is how long
    a leaving worker waits for running tasks; what is cut off runs again elsewhere. `early_limit` and `early_for`
    bound how many early messages are kept for a listener, and for how long. `unmatched="hold"` keeps, within the same
    bounds, what an instance has no use for: for the next that awaits its key. `unmatched_topic` names a topic for
    messages that nobody takes in the end; by default they are counted (`engine.counts`) and dropped.

    Use it as an async context manager to run a worker beside other code, or call `main()` to be a worker.
    """

    def __init__(
        self,
        broker: str = "memory://",
        store: str | None = None,
        *,
        lifespan: Lifespan | None = None,
        threads: int = 32,
        grace: timedelta = timedelta(seconds=30),
        early_limit: int = 16,
        early_for: timedelta = timedelta(days=7),
        unmatched: Literal["drop", "hold"] = "drop",
        unmatched_topic: str | None = None,
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        checked_settings(
            counts={"early_limit": (early_limit, 0), "threads": (threads, 1)},
            spans={"early_for": early_for, "grace": grace},
        )
        limits = Limits(early_limit, min(early_for // MICROSECOND, FOREVER), checked_unmatched(unmatched) == "hold")
        super().__init__(backend if backend is not None else connect(broker, store), clock or SystemClock(), limits)
        self._lifespan = lifespan
        self._resources: Any = None
        self._grace_s = grace.total_seconds()
        self._threads = threads
        self._unmatched_topic = unmatched_topic
        self._tasks = self._new_tasks()
        self._worker = self._new_worker()
        self._group: anyio.abc.TaskGroup | None = None
        self._stack: AsyncExitStack | None = None
        self._opened = False
        self._leaving = anyio.Event()

    def _new_tasks(self) -> Tasks:
        return Tasks(self._report, lambda: self._resources, self._threads, self._task_changed)

    def _new_worker(self) -> Worker:
        return Worker(
            self._backend,
            self._registry,
            self._clock,
            unmatched_topic=self._unmatched_topic,
            committed=self._committed,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many messages were put aside, by reason, since this engine was made."""
        return dict(self._worker.counts)

    # Running.

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        await self._stack.__aenter__()
        try:
            await self._open()
            await self._stack.enter_async_context(self._working())
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *exc: Any) -> None:
        assert self._stack is not None
        try:
            await self._stack.__aexit__(*exc)
        except BaseExceptionGroup as group:
            # The worker's task group wraps what the block raised; the block's own error goes on as it is.
            if list(group.exceptions) != [exc[1]]:
                raise
        finally:
            self._opened, self._resources, self._stack = False, None, None

    def main(self) -> None:
        """Be a worker until SIGTERM or SIGINT; then finish what is in flight, and leave."""
        anyio.run(self._main)

    async def _main(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with self:
                logger.info("working on %s", ", ".join(self._registry.names) or "no template")
                async for received in signals:
                    logger.info("received %s: leaving", received.name)
                    break

    @override
    async def _open(self) -> None:
        """Connect, and begin the lifespan, once."""
        if self._opened:
            return
        self._opened = True
        if self._stack is None:
            self._stack = AsyncExitStack()
        try:
            await self._stack.enter_async_context(self._backend.open())
            if self._lifespan is not None:
                self._resources = await self._stack.enter_async_context(self._lifespan(self))
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        if self._stack is not None:
            await self._stack.aclose()
        self._opened, self._resources, self._stack = False, None, None

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Work in the background; at the end let running tasks finish, apply what they gave, and stop."""
        self._leaving = anyio.Event()
        self._tasks.leaving = False
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                self._committed(await self._worker.recover(), [])
                group.start_soon(self._work)
                yield
                await self._drain()
            finally:
                self._group = None
                group.cancel_scope.cancel()

    async def _work(self) -> None:
        while not self._leaving.is_set():
            await self._worker.ring()
            if await self._worker.run_once():
                # A backend in this process never suspends: code beside the engine would not get its turn.
                await anyio.lowlevel.checkpoint()
            else:
                await self._idle()

    async def _idle(self) -> None:
        """Sleep until there is something to poll, or the next timer is due."""
        due = await self._backend.store.next_due(self._clock.now())
        left = None if due is None else max(0.0, (due - self._clock.now()) / 1_000_000)
        with anyio.move_on_after(None if left is None else max(left, 0.001)):
            await self._backend.log.wait()

    async def _drain(self) -> None:
        """Begin nothing more; let the tasks that run end, for a time, and apply what they gave."""
        self._leaving.set()
        with anyio.move_on_after(self._grace_s):
            await self._tasks.ended()
        self._tasks.leaving = True
        self._tasks.stop_all()
        with anyio.move_on_after(APPLY_S):  # not for ever: others may go on putting records on the log
            while await self._worker.run_once():
                await anyio.lowlevel.checkpoint()

    # What the worker calls.

    def _committed(self, changes: Sequence[Local], states: Sequence[State]) -> None:
        """A commit is done: start and stop tasks, show runs their state, and tell who waits for an end."""
        for change in changes:
            self._carry_out(change)
        self._watch.show(states)

    def _carry_out(self, change: Local) -> None:
        plan = self._registry.plan(change.state.template, change.state.version)
        for effect in change.effects:
            if isinstance(effect, StopTask):
                self._tasks.stop(change.id, effect.frame)
            elif plan is not None:
                self._tasks.start(self._spawn, change.id, plan, effect)

    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> None:
        if self._group is not None and not self._leaving.is_set():
            self._group.start_soon(fn)

    def _task_changed(self) -> None:
        """A task has ended, or says that it hangs."""

    async def _report(self, id: str, outcome: Outcome) -> None:
        await self._append(id, outcome)
