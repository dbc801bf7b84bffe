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
from dagger.engine.backoff import insist
from dagger.engine.client.client import Client
from dagger.engine.client.validation import checked_choice, checked_lifespan, checked_outside, checked_settings
from dagger.engine.clock import MICROSECOND, Alarms, Clock, SystemClock
from dagger.engine.connect import connect
from dagger.engine.connection import Session, dropped, running_loop
from dagger.engine.ports import Backend
from dagger.engine.process.service import serve
from dagger.engine.records import partition_of
from dagger.engine.worker.failure_log import tell
from dagger.engine.worker.loop import WorkLoop
from dagger.engine.worker.tasks import Outcome, Tasks
from dagger.engine.worker.worker import Local, Worker
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
        self._most_tasks, self._threads = tasks, threads
        self._unmatched_topic = unmatched_topic
        self._counts = Counter[str]()
        self._loop: WorkLoop | None = None
        self._begin_anew()
        self._session: Session | None = None
        """What is connected, or is being connected or closed."""
        self._stale: Session | None = None
        """What was connected in an event loop that has ended."""
        self._at_work: AsyncExitStack | None = None
        """What a worker has open beside it; None of an engine that is none."""
        self._users = 0
        """How many blocks need the connection."""

    def _begin_anew(self) -> None:
        """Know nothing of what was worked on before: what is worked on next may be another log."""
        self._tasks = self._new_tasks()
        self._worker = self._new_worker()

    def _new_tasks(self) -> Tasks:
        return self._tasks_of(Tasks)

    def _tasks_of(self, kind: type[Tasks], alarms: Alarms | None = None) -> Tasks:
        return kind(
            self._report,
            lambda: self._resources,
            self._spawn,
            size_max=lambda: self._backend.size_max,
            most=self._most_tasks,
            threads=self._threads,
            alarms=alarms,
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
    def _is_at_work(self) -> bool:
        return self._loop is not None

    @property
    def topics(self) -> Mapping[str, Topic[Any]]:
        """The topics of all that is registered, by name."""
        return dict(self._registry.topics)

    # Running.

    async def __aenter__(self) -> Self:
        self._here()
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

        Raises RequestError inside of an event loop and outside of the main thread, and EngineClosed where it was ended
        by anything but a signal.
        """
        serve(self, lambda: ", ".join(self._registry.names) or "no template", lambda: self._worker.place.told)

    @override
    async def _open(self) -> Session:
        """Connect, once. Whoever comes meanwhile waits for the connection. Gives what is connected in this event loop.

        Raises RequestError for another event loop than the one in which the engine is open.
        """
        while (session := self._here()) is not None:
            if session.is_connected:
                return session
            await session.settled.wait()
        self._session = session = Session()
        try:
            stale, self._stale = self._stale, None
            if stale is not None:
                await dropped(stale)
            await session.stack.enter_async_context(self._backend.open())
            session.connected()
        except BaseException:
            await self._close()
            raise
        return session

    def _here(self) -> Session | None:
        """What is open in this event loop. What was open in one that has ended is no longer.

        Raises RequestError while it is open in another.
        """
        session, loop = self._session, running_loop()
        if session is None or session.loop is loop:
            return session
        if session.loop.is_running():
            raise RequestError(
                "this engine is open in the event loop of another thread; use it there, as by "
                "asyncio.run_coroutine_threadsafe, or make another Dagger for this one"
            )
        self._stale, self._session = session, None
        self._at_work = self._loop = self._resources = None
        self._users = 0
        self._follower.forget()
        self._watch.abandon()
        return None

    async def _begin(self, stack: AsyncExitStack | None = None) -> None:
        """Open what tasks need: a worker does, before it works."""
        if self._lifespan is not None:
            if stack is None:
                assert self._session is not None
                stack = self._session.stack
            self._resources = await stack.enter_async_context(checked_lifespan(self._lifespan(self)))

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
        self._here()
        if self._at_work is not None:
            raise RequestError("this engine is a worker; it disconnects at the end of its `async with`, or of main()")
        await self._close()

    async def _close(self) -> None:
        session = self._here()
        if session is None or session.is_over:  # nothing is open, or it is being closed
            return
        session.end()
        self._follower.stop()
        self._submissions.forget()
        try:
            await session.stack.aclose()
        finally:
            self._session = self._resources = None
            session.settled.set()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """Work in the background; at the end let running tasks finish, apply what they gave, and stop."""
        session = await self._open()
        self._begin_anew()
        self._loop = loop = WorkLoop(
            self._backend.log, self._clock, self._worker, self._tasks, self._grace_s, session.fail
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
            elif not isinstance(effect, RunTask):
                tell(change.id, effect)
            elif plan is not None:
                self._tasks.start(change.id, plan, effect)

    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        return self._loop is not None and self._loop.spawn(fn)

    def _task_changed(self) -> None:
        """A task has ended, or says that it hangs."""

    async def _report(self, id: str, outcome: Outcome) -> None:
        """Put a result on the log, as soon as that can be done: the task is not to run again for nothing."""
        await insist(f"the result of a task of {id} is kept", lambda: self._append(id, outcome))
