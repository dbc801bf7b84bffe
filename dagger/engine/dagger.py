"""`Dagger`: the engine as users see it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import anyio
import anyio.abc
import anyio.lowlevel
from typing_extensions import override

from dagger.core.effects import StopTask
from dagger.core.state import FOREVER, State
from dagger.dsl.topics import Topic
from dagger.engine.client import Client
from dagger.engine.clock import MICROSECOND, Clock, SystemClock
from dagger.engine.connect import connect
from dagger.engine.garbage import seldom_collected
from dagger.engine.patience import Pauses, insist
from dagger.engine.ports import Backend
from dagger.engine.prepare import checked_choice, checked_outside, checked_settings
from dagger.engine.records import partition_of
from dagger.engine.tasks import Outcome, Tasks
from dagger.engine.worker import Local, Worker
from dagger.errors import BackendUnavailable, DaggerError, Fenced, RequestError
from dagger.plan.plan import Limits

logger: Final = logging.getLogger("dagger")

APPLY_S: Final = 1.0
"""How long a leaving worker goes on applying what is on the log, in seconds; the rest is for the next owner."""

EARLY_S: Final = 0.1
"""How long timers wait at a time while this machine's clock is ahead, in seconds."""

Unmatched: TypeAlias = Literal["drop", "hold"]
"""What becomes of a message that its instance does not take any more."""
Lifespan = Callable[["Dagger"], AbstractAsyncContextManager[Any]]


class Dagger(Client):
    """An engine: registers templates, accepts instances, and, as a worker, runs them.

    `broker` and `store` are URLs of a backend (`memory://`, the default); where a backend is both, `store` is
    left out. `datadir` is the directory that files of these URLs are in. `lifespan` is called with the engine and
    gives an async context manager; what that yields is `dagger.context().resources` in tasks. `threads` bounds how
    many sync tasks run at once. `grace` is how long a leaving worker waits for running tasks; what is cut off runs
    again elsewhere. `early_limit` and `early_for` bound how many early messages are kept for a listener, and for how
    long. With `unmatched="hold"` a message that its instance does not take any more is kept within the same bounds,
    for whoever comes next to its key. `unmatched_topic` names a topic for messages that nobody takes; by default they
    are counted (`engine.counts`) and dropped.

    Use it as an async context manager to run a worker beside other code, or call `main()` to be a worker.
    """

    def __init__(
        self,
        broker: str = "memory://",
        store: str | None = None,
        *,
        datadir: str | Path | None = None,
        lifespan: Lifespan | None = None,
        threads: int = 32,
        grace: timedelta = timedelta(seconds=30),
        early_limit: int = 16,
        early_for: timedelta = timedelta(days=7),
        unmatched: Unmatched = "drop",
        unmatched_topic: str | None = None,
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        checked_settings(
            counts={"early_limit": (early_limit, 0), "threads": (threads, 1)},
            spans={"early_for": early_for, "grace": grace},
        )
        checked_choice("unmatched", unmatched, get_args(Unmatched))
        checked_outside(lifespan, unmatched_topic)
        limits = Limits(early_limit, min(early_for // MICROSECOND, FOREVER), unmatched == "hold")
        super().__init__(
            backend if backend is not None else connect(broker, store, datadir), clock or SystemClock(), limits
        )
        self._lifespan = lifespan
        self._resources: Any = None
        self._grace_s = grace.total_seconds()
        self._threads = threads
        self._unmatched_topic = unmatched_topic
        self._tasks = self._new_tasks()
        self._worker = self._new_worker()
        self._group: anyio.abc.TaskGroup | None = None
        self._stack: AsyncExitStack | None = None
        """What is connected."""
        self._at_work: AsyncExitStack | None = None
        """What a worker has open beside it; None of an engine that is none."""
        self._users = 0
        """How many blocks need the connection."""
        self._opened = False
        self._is_connected = False
        self._connected = anyio.Event()
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
            lost=self._lost,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many messages were put aside, by reason, since this engine was made."""
        return dict(self._worker.counts)

    @property
    def backend(self) -> Backend:
        """What keeps the log and the records."""
        return self._backend

    @property
    def topics(self) -> Mapping[str, Topic[Any]]:
        """The topics of all that is registered, by name."""
        return dict(self._registry.topics)

    # Running.

    async def __aenter__(self) -> Self:
        if self._at_work is not None:
            raise RequestError("this engine is a worker already; make another Dagger for another worker")
        self._at_work = stack = AsyncExitStack()
        try:
            await stack.enter_async_context(self.client())
            await self._begin(stack)
            await stack.enter_async_context(self._working())
        except BaseException:
            try:
                await stack.aclose()
            finally:
                self._at_work = None
            raise
        return self

    async def __aexit__(self, *exc: Any) -> None:
        assert self._at_work is not None
        try:
            await self._at_work.__aexit__(*exc)
        except BaseExceptionGroup as group:
            # The worker's task group wraps what the block raised; the block's own error goes on as it is.
            if list(group.exceptions) != [exc[1]]:
                raise
        finally:
            self._at_work, self._resources = None, None

    def main(self) -> None:
        """Be a worker until SIGTERM or SIGINT; then finish what is in flight, and leave.

        Raises RequestError inside of an event loop.
        """
        if _is_in_loop():
            raise RequestError("main() runs an event loop, and here is one already; use `async with engine:` instead")
        anyio.run(self._main)

    async def _main(self) -> None:
        starting, begun, told = anyio.CancelScope(), anyio.Event(), anyio.Event()
        failure: Exception | None = None

        async def listen() -> None:
            received = await anext(signals)
            logger.info("received %s: leaving", received.name)
            told.set()
            if not begun.is_set():  # nothing is in flight, and what it waits for may be away
                starting.cancel()

        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                try:
                    with starting:
                        await self._until(begun, told)
                except Exception as error:
                    failure = error  # as it is, and not in a group
                group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _until(self, begun: anyio.Event, told: anyio.Event) -> None:
        """Be a worker until it is told to leave."""
        async with self:
            with seldom_collected():
                begun.set()
                logger.info("working on %s", ", ".join(self._registry.names) or "no template")
                await told.wait()

    @override
    async def _open(self) -> None:
        """Connect, once. Whoever comes meanwhile waits for the connection."""
        while self._opened:
            if self._is_connected:
                return
            await self._connected.wait()
        self._opened, self._connected = True, anyio.Event()
        if self._stack is None:
            self._stack = AsyncExitStack()
        try:
            await self._stack.enter_async_context(self._backend.open())
            self._is_connected = True
            self._connected.set()
        except BaseException:
            await self._close()
            raise

    async def _begin(self, stack: AsyncExitStack | None = None) -> None:
        """Open what tasks need: a worker does, before it works."""
        if self._lifespan is not None:
            stack = stack or self._stack
            assert stack is not None
            self._resources = await stack.enter_async_context(self._lifespan(self))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Self]:
        """Use the engine without being a worker: instances are accepted and looked at, and others run them.

        `lifespan=` is not run. Blocks may be inside of each other, and of a worker: the last to end disconnects.
        """
        self._users += 1
        try:
            await self._open()
            yield self
        finally:
            self._users -= 1
            if not self._users:
                await self._close()

    async def aclose(self) -> None:
        """Disconnect, where the engine was used without being a worker; it connects again when it is used again.

        Raises RequestError for a worker.
        """
        if self._at_work is not None:
            raise RequestError("this engine is a worker; it disconnects at the end of its `async with`, or of main()")
        await self._close()

    async def _close(self) -> None:
        stack, self._stack = self._stack, None
        if stack is None:  # nothing is open, or it is being closed
            return
        self._follower.stop()
        self._is_connected = False
        if self._connected.is_set():  # whoever comes meanwhile waits, and connects anew
            self._connected = anyio.Event()
        try:
            await stack.aclose()
        finally:
            self._opened, self._resources = False, None
            self._connected.set()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Work in the background; at the end let running tasks finish, apply what they gave, and stop."""
        self._leaving, self._rested, self._nap = anyio.Event(), anyio.Event(), anyio.CancelScope()
        self._tasks.leaving = False
        self._worker.forget()
        try:
            async with self._backend.log.join(), anyio.create_task_group() as group:
                self._group = group
                try:
                    group.start_soon(self._work)
                    yield
                    await self._drain()
                finally:
                    self._group = None
                    group.cancel_scope.cancel()
            return
        except BaseExceptionGroup as several:
            failed = several.exceptions[0]
            if len(several.exceptions) > 1 or not isinstance(failed, DaggerError):
                raise
        raise failed  # what the backend said, as it has said it; without the group as its context

    async def _work(self) -> None:
        try:
            await self._work_on()
        finally:
            self._rested.set()

    async def _work_on(self) -> None:
        pauses, is_sound = Pauses(), True
        while not self._leaving.is_set():
            try:
                if not is_sound:
                    await self._worker.rewind()  # which may fail for as long as what is to be repeated
                    is_sound = True
                await self._worker.ring()
                if await self._worker.run_once():
                    # A backend in this process never suspends: code beside the engine would not get its turn.
                    await anyio.lowlevel.checkpoint()
                else:
                    await self._idle()
                pauses = Pauses()
            except Fenced as error:
                logger.warning("%s: going on with what is owned", error)
                is_sound = False
            except BackendUnavailable as error:
                logger.error("%s: trying again in %g s", error, pauses.next_s)  # what it says is enough
                is_sound = False
                await pauses.rest()

    async def _idle(self) -> None:
        """Sleep until there is something to poll, or the next timer is due."""
        due = self._worker.next_due
        left = None if due is None else max(0.0, (due - self._clock.now()) / 1_000_000)
        least = EARLY_S if self._backend.log.is_early else 0.001
        with anyio.move_on_after(None if left is None else max(left, least)) as self._nap:
            if not self._leaving.is_set():
                await self._backend.log.wait()

    async def _drain(self) -> None:
        """Begin nothing more; let the tasks that run end, for a time, and apply what they gave."""
        self._leaving.set()
        with anyio.move_on_after(self._grace_s):
            await self._tasks.ended()
        self._tasks.leaving = True
        self._tasks.stop_all()
        self._nap.cancel()
        with anyio.move_on_after(self._grace_s):
            await self._rested.wait()
        if not self._rested.is_set():
            return
        try:
            with anyio.move_on_after(APPLY_S):  # not for ever: others may go on putting records on the log
                while await self._worker.run_once():
                    await anyio.lowlevel.checkpoint()
        except (Fenced, BackendUnavailable) as error:
            logger.warning("%s: the next owner goes on from there", error)

    # What the worker calls.

    def _lost(self, partitions: Collection[int]) -> None:
        """Others own these partitions now, and run their tasks."""
        count = self._backend.log.partitions
        self._tasks.stop_where(lambda id: partition_of(id, count) in partitions)

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

    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        if self._group is None or self._leaving.is_set():
            return False
        self._group.start_soon(fn)
        return True

    def _task_changed(self) -> None:
        """A task has ended, or says that it hangs."""

    async def _report(self, id: str, outcome: Outcome) -> None:
        """Put a result on the log, as soon as that can be done: the task is not to run again for nothing."""
        await insist(f"the result of a task of {id} is kept", lambda: self._append(id, outcome))


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
