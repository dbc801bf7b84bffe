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
from dagger.engine.worker.dispatch import LocalEffects
from dagger.engine.worker.failure_log import log_failure
from dagger.engine.worker.loop import WorkLoop
from dagger.engine.worker.tasks import Outcome, Tasks
from dagger.engine.worker.worker import Worker
from dagger.errors import RequestError
from dagger.plan.plan import Limits

Unmatched: TypeAlias = Literal["drop", "hold"]
"""What happens to a message that its instance can no longer receive."""
Lifespan = Callable[["Dagger"], AbstractAsyncContextManager[Any]]


class Dagger(Client):
    """An engine: registers templates, accepts instances, and, as a worker, runs them.

    `broker` and `store` are URLs of a backend (`memory://` by default). Leave `store` out if the backend is both.
    `datadir` is the directory for files that these URLs name. `lifespan` is called with the engine and returns an async
    context manager; what that yields is `dagger.context().resources` in tasks. `tasks` bounds how many tasks run at
    once in this worker, and `threads` how many of them may be sync. Further tasks wait in a queue, fairly between
    instances, and their timeouts have not started. `grace` is how long a leaving worker waits for running tasks;
    cancelled tasks run again elsewhere. `early_limit` and `early_for` bound how many early messages are kept for a
    listener, and for how long. With `unmatched="hold"` a message that its instance can no longer receive is kept within
    the same bounds, for later receivers with its key. `unmatched_topic` names a topic for messages that no instance
    receives; by default they are counted (`engine.counts`) and dropped.

    Use it as an async context manager to run a worker beside other code, or call `main()` to run only a worker.
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
            raise RequestError("Dagger: unmatched='hold' keeps nothing if early_limit or early_for is zero; give more")
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
        """The connection in an event loop that has ended."""
        self._worker_stack: AsyncExitStack | None = None
        """The resources of a worker; None if the engine is not a worker."""
        self._open_blocks = 0
        """How many `async with` blocks use the connection."""

    def _reset_worker(self) -> None:
        """Drop all caches: the next connection may be to another log."""
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
            directory=self._directory,
            unmatched_topic=self._unmatched_topic,
            committed=self._committed,
            lost=self._lost,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many messages and records this engine has dead-lettered, parked or dropped, by reason."""
        return dict(self._counts + Counter(self._backend.log.counts))

    @property
    def backend(self) -> Backend:
        """The backend: the log and the store."""
        return self._backend

    @property
    @override
    def _is_working(self) -> bool:
        return self._loop is not None

    @property
    def topics(self) -> Mapping[str, Topic[Any]]:
        """The topics of all registered templates, by name."""
        return dict(self._registry.topics)

    # Running.

    async def __aenter__(self) -> Self:
        self._current()
        if self._worker_stack is not None:
            raise RequestError("this engine is a worker already; create another Dagger for another worker")
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
            # The worker's task group wraps the error of the block, which is raised unchanged.
            if list(group.exceptions) != [exc[1]]:
                raise
        finally:
            self._worker_stack, self._resources = None, None

    def main(self) -> None:
        """Run a worker until SIGTERM or SIGINT; then let running tasks finish, and leave.

        Raises RequestError inside an event loop or outside of the main thread, and EngineClosed if the worker was ended
        by anything but a signal.
        """
        serve(
            self, lambda: ", ".join(self._registry.names) or "no template", lambda: self._worker.user_code.description
        )

    @override
    async def _open(self) -> Connection:
        """Connect once; concurrent callers wait for the connection. Returns the connection of this event loop.

        Raises RequestError if the engine is open in another event loop.
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
        """The connection of this event loop. One of an event loop that has ended is dropped.

        Raises RequestError while the engine is open in another event loop.
        """
        connection, loop = self._connection, running_loop()
        if connection is None or connection.loop is loop:
            return connection
        if connection.loop.is_running():
            raise RequestError(
                "this engine is open in the event loop of another thread; use it there, for "
                "example with asyncio.run_coroutine_threadsafe, or create another Dagger for this one"
            )
        self._stale, self._connection = connection, None
        self._worker_stack = self._loop = self._resources = None
        self._open_blocks = 0
        self._poller.reset()
        self._directory.reset()
        self._watch.abandon()
        return None

    async def _begin(self, stack: AsyncExitStack | None = None) -> None:
        """Open the resources of tasks, before the worker starts."""
        if self._lifespan is not None:
            if stack is None:
                assert self._connection is not None
                stack = self._connection.stack
            self._resources = await stack.enter_async_context(checked_lifespan(self._lifespan(self)))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Self]:
        """Use the engine without running a worker: start and query instances that other processes run.

        `lifespan=` is not run. Blocks may be nested, also in that of a worker: the last one to end disconnects.
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
        """Disconnect an engine that was used without a block; it connects again when it is used again.

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
        self._directory.reset()
        try:
            await connection.stack.aclose()
        finally:
            self._connection = self._resources = None
            connection.opened_or_closed.set()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Run the worker in the background; at the end let running tasks finish, apply their results, and stop."""
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
        """Stop the tasks of these partitions, which other workers own now."""
        home = self._backend.log.partition_of
        self._tasks.stop_where(lambda id: home(id) in partitions)

    def _committed(self, changes: Sequence[LocalEffects], states: Sequence[State]) -> None:
        """After a commit: start and stop tasks, update runs, and wake waiters for ended instances."""
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
        """Called when a task has ended, or has reported that it hangs."""

    async def _report(self, id: str, outcome: Outcome) -> None:
        """Append a result to the log, as soon as possible, so that the task does not run again."""
        await retry_unavailable(f"the result of a task of {id} is kept", lambda: self._append(id, outcome))
