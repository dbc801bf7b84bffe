"""`Dagger`: the engine as users see it."""

from __future__ import annotations

import logging
import signal
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Self, TypeVar, overload

import anyio
import anyio.abc
import anyio.lowlevel

from dagger.core.effects import StopTask
from dagger.core.events import Event, SignalReceived, StopRequested, Submitted
from dagger.core.state import State, Status
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.engine.clock import MICROSECOND, Clock, SystemClock
from dagger.engine.connect import connect
from dagger.engine.instance import Instance
from dagger.engine.ports import Append, Backend
from dagger.engine.prepare import checked_message, checked_query, checked_signal, checked_template, id_of, prepare
from dagger.engine.records import Record, decode_cell, encode_record, partition_of
from dagger.engine.registry import Registry
from dagger.engine.run import Prepared, Registered, Run
from dagger.engine.tasks import Outcome, Tasks
from dagger.engine.watch import Watch
from dagger.engine.worker import Local, Worker
from dagger.errors import InstanceConflict, RequestError, UnknownInstance
from dagger.plan.plan import Limits, Plan

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")

logger: Final = logging.getLogger("dagger")

Lifespan = Callable[["Dagger"], AbstractAsyncContextManager[Any]]


class Dagger:
    """An engine: registers templates, accepts instances, and, as a worker, runs them.

    `broker` and `store` are URLs of a backend (`memory://`, the default); where a backend is both, `store` is
    left out. `lifespan` is called with the engine and gives an async context manager; what that yields is
    `dagger.context().resources` in tasks. `threads` bounds how many sync tasks run at once. `grace` is how long
    a leaving worker waits for running tasks; what is cut off runs again elsewhere. `early_limit` and `early_for`
    bound how many early messages are kept for a listener, and for how long. `unmatched_topic` names a topic for
    messages that nobody takes; by default they are counted (`engine.counts`) and dropped.

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
        unmatched_topic: str | None = None,
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        if early_limit < 0 or early_for < timedelta(0) or grace < timedelta(0) or threads < 1:
            raise RequestError("Dagger: early_limit, early_for and grace want 0 or more, threads 1 or more")
        self._backend = backend if backend is not None else connect(broker, store)
        self._clock = clock or SystemClock()
        self._lifespan = lifespan
        self._resources: Any = None
        self._grace_s = grace.total_seconds()
        self._registry = Registry(Limits(early_limit, early_for // MICROSECOND))
        self._threads = threads
        self._unmatched_topic = unmatched_topic
        self._tasks = self._new_tasks()
        self._worker = self._new_worker()
        self._watch = Watch()
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

    # Templates.

    @overload
    def register(self, template: Template[A, B], /) -> Template[A, B]: ...
    @overload
    def register(self, template: Callable[[], Template[A, B]], /) -> Template[A, B]: ...
    def register(self, template: Any, /) -> Any:
        """Register a template, or as a decorator a function that returns one; gives the template.

        Raises TemplateConflict where another shape is registered under the same name and version.
        """
        found = checked_template(template)
        self._registry.add(found)
        self._backend.log.consume(self._registry.consumed)
        return found

    def register_template(self, template: Template[A, B], /) -> Template[A, B]:
        """The same as `register`, by the name that users of wf-dagger know."""
        return self.register(template)

    def get_template(self, name: str, version: int | None = None) -> Registered[Any]:
        """A registered template, the latest version by default. Raises UnknownTemplate."""
        return Registered(self._registry.template(name, version), self._prepare)

    def start_on(self, topic: Topic[M], template: Template[A, Any], *, build: Callable[[M], A] | None = None) -> None:
        """Let each message of a topic start an instance, once; `build` makes the input from the message.

        The instance's id is its business key.
        """
        self.register(template)
        plan = self._plan(template)
        self._registry.start_on(topic, plan, build)
        self._backend.log.consume(self._registry.consumed)

    def _plan(self, template: Template[Any, Any]) -> Plan:
        return self._registry.add(template)

    def _prepare(self, template: Template[Any, B], input: Any, id: object) -> Prepared[B]:
        return prepare(self._plan(template), input, id)

    # Instances.

    async def start(self, template: Template[A, B], input: A, *, id: str | uuid.UUID | None = None) -> Run[B]:
        """Create an instance and submit it; the same id and input again are the same instance.

        A template that is not registered yet is registered. Raises WrongInput, or InstanceConflict for another
        input or template under a live id.
        """
        self.register(template)
        return await self.submit(self._prepare(template, input, id))

    async def submit(self, instance: Prepared[B]) -> Run[B]:
        """Submit an instance that `create_instance` made; returns once it is accepted."""
        if not isinstance(instance, Prepared):  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
            raise RequestError(f"submit: wants what create_instance gives, got {instance!r}")
        await self._open()
        state = await self._state(instance.id) or self._watch.seen(instance.id)
        self._refuse_conflict(instance, state)
        plan = instance.plan
        run = self._watch.handle(plan, state or instance.submitted(self._clock.now()))
        event = Submitted(plan.template, plan.version, instance.id, instance.key, instance.raw)
        await self._append(instance.id, event)
        return run

    def _refuse_conflict(self, instance: Prepared[Any], state: State | None) -> None:
        if state is None:
            return
        if (state.template, state.version) != (instance.plan.template, instance.plan.version):
            raise InstanceConflict(
                f"instance '{instance.id}' is of template '{state.template}' version {state.version}, not "
                f"'{instance.plan.template}' version {instance.plan.version}; give id= another value"
            )
        if state.input != instance.raw:
            raise InstanceConflict(
                f"instance '{instance.id}' was started with another input; give id= another value, or the same input"
            )

    async def get_instance(self, id: str | uuid.UUID | Run[Any]) -> Instance:
        """A snapshot of an instance. Raises UnknownInstance."""
        await self._open()
        state = await self._state(id_of(id))
        if state is not None:
            return self._snapshot(state)
        if isinstance(id, Run):
            return id.instance
        raise UnknownInstance(f"no instance has the id '{id}'")

    async def instances(
        self,
        *,
        template: str | None = None,
        status: Status | str | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Sequence[Instance]:
        """Instances that match all that is given, ordered by id; `after` is the id where the last page ended."""
        query = checked_query(template, status, key, limit, after)
        await self._open()
        rows = await self._backend.store.find(query)
        states = [decode_cell(row.data).home.state for row in rows]
        return [self._snapshot(state) for state in states if state is not None]

    async def wait(self, instance: str | uuid.UUID | Run[Any]) -> Instance:
        """Wait until an instance has ended; gives its snapshot. Raises UnknownInstance."""
        if isinstance(instance, Run) and instance.status.is_end:
            return instance.instance
        id = id_of(instance)
        await self._open()
        while True:
            event = self._watch.end_of(id)
            state = await self._state(id)
            if state is None and not isinstance(instance, Run):
                raise UnknownInstance(f"no instance has the id '{id}'")
            if state is not None and not state.is_live:
                return self._snapshot(state)
            await event.wait()

    async def signal(self, instance: str | uuid.UUID | Run[Any], name: str, value: object) -> None:
        """Send a signal to an instance. Raises UnknownInstance, or WrongInput for a value of another type."""
        await self._open()
        id, plan = await self._target(instance)
        await self._append(id, SignalReceived(name, checked_signal(plan, name, value)))

    async def stop(self, instance: str | uuid.UUID | Run[Any]) -> None:
        """End an instance: what executes is STOPPED, and so is it. Raises UnknownInstance."""
        await self._open()
        id, _ = await self._target(instance)
        await self._append(id, StopRequested())

    async def publish(
        self, topic: Topic[M], message: M, *, headers: dict[str, str] | None = None, id: str | None = None
    ) -> None:
        """Put a message on a topic. `id` names it, so that a repetition of it is recognised.

        Raises WrongInput for a message that the topic does not carry, or that has no key.
        """
        await self._open()
        await self._backend.log.append([checked_message(topic, message, headers, id)])

    async def subscribe(self, topic: Topic[M], *, group: str) -> AsyncIterator[M]:
        """The messages of a topic, for code outside any workflow; each at least once for a group."""
        await self._open()
        reader = self._backend.log.reader(topic.name, group)
        while True:
            for record in await reader.read(100):
                message: M = topic.wire.decode(record.payload)
                yield message

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
                self._committed(await self._worker.recover(), {})
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
        while await self._worker.run_once():
            pass

    # What the worker calls.

    def _committed(self, changes: Sequence[Local], states: Mapping[str, State]) -> None:
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

    # Small things.

    async def _append(self, to: str, event: Event) -> None:
        log = self._backend.log
        data = encode_record(Record(to, event))
        await log.append([Append(partition_of(to, log.partitions), data)])

    async def _state(self, id: str) -> State | None:
        (row,) = await self._backend.store.read([id])
        return None if row is None else decode_cell(row.data).home.state

    async def _target(self, instance: str | uuid.UUID | Run[Any]) -> tuple[str, Plan]:
        """Whom a request is for. A run may not have begun yet: what is sent to it comes after its submission."""
        if isinstance(instance, Run):
            return instance.id, instance.plan
        state = await self._state(id_of(instance))
        if state is None:
            raise UnknownInstance(f"no instance has the id '{instance}'")
        return state.id, self._plan_of(state)

    def _plan_of(self, state: State) -> Plan:
        self._registry.template(state.template, state.version)
        plan = self._registry.plan(state.template, state.version)
        assert plan is not None
        return plan

    def _snapshot(self, state: State) -> Instance:
        return Instance(self._plan_of(state), state)
