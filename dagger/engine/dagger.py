"""`Dagger`: the engine as users see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

from typing_extensions import override

from dagger.core.effects import RunTask, StopTask
from dagger.core.state import FOREVER, State
from dagger.dsl.topics import Topic
from dagger.engine.backoff import retry_unavailable
from dagger.engine.client.client import Client
from dagger.engine.client.validation import checked_choice, checked_lifespan, checked_outside, checked_settings
from dagger.engine.clock import MICROSECOND, CallScheduler, Clock, SystemClock
from dagger.engine.connect import connect
from dagger.engine.connection import Connection, close_stale, running_loop
from dagger.engine.ports import Backend
from dagger.engine.process.service import serve
from dagger.engine.records import partition_of
from dagger.engine.worker.dispatch import LocalEffects
from dagger.engine.worker.failure_log import log_failure
from dagger.engine.worker.loop import WorkLoop
from dagger.engine.worker.tasks import Outcome, Tasks
from dagger.engine.worker.worker import Worker
from dagger.errors import RequestError
from dagger.plan.plan import Limits

Unmatched: TypeAlias = Literal["drop", "hold"]
"""What becomes of a message that its instance does not take any more."""
Lifespan = Callable[["Dagger"], AbstractAsyncContextManager[Any]]


class Dagger(Client):
    """An engine: registers templates, accepts instances, and, as a worker, runs them.

    `broker` and `store` are URLs of a backend (`memory://`, the default); where a backend is both, `store` is left
    out. `datadir` is the directory that files of these URLs are in. `lifespan` is called with the engine and gives
    an async context manager; what that yields is `dagger.context().resources` in tasks. `tasks` bounds how many
    tasks run at once in this worker, and `threads` how many of them may be sync; what is over waits, in order and
    fairly between instances, and its timeout does not run meanwhile. `grace` is how long a leaving worker waits for
    running tasks; what is cut off runs again elsewhere. `early_limit` and `early_for` bound how many early messages
    are kept for a listener, and for how long. With `unmatched="hold"` a message that its instance does not take any
    more is kept within the same bounds, for whoever comes next to its key. `unmatched_topic` names a topic for
    messages that nobody takes; by default they are counted (`engine.counts`) and dropped.

    Use it as an async context manager to run a worker beside other code, or call `main()` to be a worker.
    """

    def __init__(
        self,
        broker: str = "memory://",
        store: str | None = None,
        *,
        datadir: str | Path | None = None,
        lifespan: Lifespan | None = None,
        tasks: int = 100,
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
            counts={"early_limit": (early_limit, 0), "tasks": (tasks, 1), "threads": (threads, 1)},
            spans={"early_for": early_for, "grace": grace},
        )
        checked_choice("unmatched", unmatched, get_args(Unmatched))
        if unmatched == "hold" and not (early_limit and early_for):
            raise RequestError(
                "Dagger: unmatched='hold' holds nothing where early_limit or early_for is zero; give more"
            )
        checked_outside(lifespan, unmatched_topic, datadir, clock, backend)
        limits = Limits(early_limit, min(early_for // MICROSECOND, FOREVER), unmatched == "hold")
        super().__init__(
            backend if backend is not None else connect(broker, store, datadir), clock or SystemClock(), limits
        )
        self._lifespan = lifespan
        self._resources: Any = None
        self._grace_s = grace.total_seconds()
        self._tasks_max, self._threads = tasks, threads
        self._unmatched_topic = unmatched_topic
        self._counts = Counter[str]()
        self._loop: WorkLoop | None = None
        self._reset_worker()
        self._stale: Connection | None = None
        """What was connected in an event loop that has ended."""
        self._worker_stack: AsyncExitStack | None = None
        """What a worker has open beside it; None of an engine that is none."""
        self._open_blocks = 0
        """How many blocks need the connection."""

    def _reset_worker(self) -> None:
        """Know nothing of what was worked on before: what is worked on next may be another log."""
        self._tasks = self._new_tasks()
        self._worker = self._new_worker()

    def _new_tasks(self) -> Tasks:
        return self._make_tasks(Tasks)

    def _make_tasks(self, kind: type[Tasks], scheduler: CallScheduler | None = None) -> Tasks:
        return kind(
            self._report,
            lambda: self._resources,
            self._spawn,
            size_max=lambda: self._backend.size_max,
            most=self._tasks_max,
            threads=self._threads,
            scheduler=scheduler,
            changed=self._task_changed,
        )

    def _new_worker(self) -> Worker:
        return Worker(
            self._backend,
            self._registry,
            self._clock,
            counts=self._counts,
            unmatched_topic=self._unmatched_topic,
            committed=self._committed,
            lost=self._lost,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many messages and records were dead-lettered, parked or dropped, by reason, since it was made."""
        return dict(self._counts + Counter(self._backend.log.counts))

    @property
    def backend(self) -> Backend:
        """What keeps the log and the records."""
        return self._backend

    @property
    @override
    def _is_working(self) -> bool:
        return self._loop is not None

    @property
    def topics(self) -> Mapping[str, Topic[Any]]:
        """The topics of all that is registered, by name."""
        return dict(self._registry.topics)

    # Running.

    async def __aenter__(self) -> Self:
        self._current()
        if self._worker_stack is not None:
            raise RequestError("this engine is a worker already; make another Dagger for another worker")
        self._worker_stack = stack = AsyncExitStack()
        try:
            await stack.enter_async_context(self.client())
            await self._begin(stack)
            await stack.enter_async_context(self._working())
        except BaseException:
            try:
                await stack.aclose()
            finally:
                self._worker_stack = None
            raise
        return self

    async def __aexit__(self, *exc: Any) -> None:
        assert self._worker_stack is not None
        try:
            await self._worker_stack.__aexit__(*exc)
        except BaseExceptionGroup as group:
            # The worker's task group wraps what the block raised; the block's own error goes on as it is.
            if list(group.exceptions) != [exc[1]]:
                raise
        finally:
            self._worker_stack, self._resources = None, None

    def main(self) -> None:
        """Be a worker until SIGTERM or SIGINT; then finish what is in flight, and leave.

        Raises RequestError inside of an event loop and outside of the main thread, and EngineClosed where it was ended
        by anything but a signal.
        """
        serve(
            self, lambda: ", ".join(self._registry.names) or "no template", lambda: self._worker.user_code.description
        )

    @override
    async def _open(self) -> Connection:
        """Connect, once. Whoever comes meanwhile waits for the connection. Gives what is connected in this event loop.

        Raises RequestError for another event loop than the one in which the engine is open.
        """
        while (connection := self._current()) is not None:
            if connection.is_connected:
                return connection
            await connection.opened_or_closed.wait()
        self._connection = connection = Connection()
        try:
            stale, self._stale = self._stale, None
            if stale is not None:
                await close_stale(stale)
            await connection.stack.enter_async_context(self._backend.open())
            connection.connected()
        except BaseException:
            await self._close()
            raise
        return connection

    def _current(self) -> Connection | None:
        """What is open in this event loop. What was open in one that has ended is no longer.

        Raises RequestError while it is open in another.
        """
        connection, loop = self._connection, running_loop()
        if connection is None or connection.loop is loop:
            return connection
        if connection.loop.is_running():
            raise RequestError(
                "this engine is open in the event loop of another thread; use it there, as by "
                "asyncio.run_coroutine_threadsafe, or make another Dagger for this one"
            )
        self._stale, self._connection = connection, None
        self._worker_stack = self._loop = self._resources = None
        self._open_blocks = 0
        self._poller.reset()
        self._watch.abandon()
        return None

    async def _begin(self, stack: AsyncExitStack | None = None) -> None:
        """Open what tasks need: a worker does, before it works."""
        if self._lifespan is not None:
            if stack is None:
                assert self._connection is not None
                stack = self._connection.stack
            self._resources = await stack.enter_async_context(checked_lifespan(self._lifespan(self)))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Self]:
        """Use the engine without being a worker: instances are accepted and looked at, and others run them.

        `lifespan=` is not run. Blocks may be inside of each other, and of a worker: the last to end disconnects.
        """
        self._open_blocks += 1
        try:
            await self._open()
            yield self
        finally:
            self._open_blocks -= 1
            if not self._open_blocks:
                await self._close()

    async def aclose(self) -> None:
        """Disconnect, where the engine was used without being a worker; it connects again when it is used again.

        Raises RequestError for a worker.
        """
        self._current()
        if self._worker_stack is not None:
            raise RequestError("this engine is a worker; it disconnects at the end of its `async with`, or of main()")
        await self._close()

    async def _close(self) -> None:
        connection = self._current()
        if connection is None or connection.is_closing:  # nothing is open, or it is being closed
            return
        connection.begin_close()
        self._poller.stop()
        self._submissions.reset()
        try:
            await connection.stack.aclose()
        finally:
            self._connection = self._resources = None
            connection.opened_or_closed.set()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Work in the background; at the end let running tasks finish, apply what they gave, and stop."""
        connection = await self._open()
        self._reset_worker()
        self._loop = loop = WorkLoop(
            self._backend.log, self._clock, self._worker, self._tasks, self._grace_s, connection.fail
        )
        try:
            async with loop.running():
                yield
        finally:
            self._loop = None

    # What the worker calls.

    def _lost(self, partitions: Collection[int]) -> None:
        """Others own these partitions now, and run their tasks."""
        count = self._backend.log.partitions
        self._tasks.stop_where(lambda id: partition_of(id, count) in partitions)

    def _committed(self, changes: Sequence[LocalEffects], states: Sequence[State]) -> None:
        """After a commit: start and stop tasks, update runs, and wake those who wait for an end."""
        for change in changes:
            self._carry_out(change)
        self._watch.show(states)

    def _carry_out(self, change: LocalEffects) -> None:
        plan = self._registry.plan(change.state.template, change.state.version)
        for effect in change.effects:
            if isinstance(effect, StopTask):
                self._tasks.stop(change.id, effect.frame)
            elif not isinstance(effect, RunTask):
                log_failure(change.id, effect)
            elif plan is not None:
                self._tasks.start(change.id, plan, effect)

    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        return self._loop is not None and self._loop.spawn(fn)

    def _task_changed(self) -> None:
        """A task has ended, or says that it hangs."""

    async def _report(self, id: str, outcome: Outcome) -> None:
        """Put a result on the log, as soon as that can be done: the task is not to run again for nothing."""
        await retry_unavailable(f"the result of a task of {id} is kept", lambda: self._append(id, outcome))
