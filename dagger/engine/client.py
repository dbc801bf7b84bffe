"""What can be asked of an engine, wherever its workers are: templates, instances, messages, signals."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, overload

from dagger.codecs import json
from dagger.core.events import Event, SignalReceived, StopRequested, Submitted
from dagger.core.home import other_steps
from dagger.core.state import State, Status
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.engine.clock import Clock
from dagger.engine.follow import Follower
from dagger.engine.instance import Instance
from dagger.engine.patience import insist
from dagger.engine.ports import Append, Backend, Row
from dagger.engine.prepare import (
    checked_group,
    checked_message,
    checked_prepared,
    checked_query,
    checked_several,
    checked_signal,
    checked_starter,
    checked_template,
    checked_topic,
    id_of,
    prepare,
)
from dagger.engine.records import Record, decode_cell, encode_record, partition_of
from dagger.engine.registry import Registry
from dagger.engine.router import decoded
from dagger.engine.run import Prepared, Registered, Run
from dagger.engine.watch import Watch
from dagger.errors import InstanceConflict, TemplateConflict, UnknownInstance, WrongInput
from dagger.plan.plan import Limits, Plan

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")


logger: Final = logging.getLogger("dagger")


class Client:
    """Registers templates, accepts instances and messages, and tells how instances stand."""

    def __init__(self, backend: Backend, clock: Clock, limits: Limits) -> None:
        self._backend = backend
        self._clock = clock
        self._registry = Registry(limits)
        self._watch = Watch()
        self._follower = Follower(backend, lambda: self._watch.open_ids, self._look)

    async def _open(self) -> None:
        """Connect, once."""
        raise NotImplementedError

    # Templates.

    @overload
    def register(self, template: Template[A, B], /) -> Template[A, B]: ...
    @overload
    def register(self, template: Callable[[], Template[A, B]], /) -> Template[A, B]: ...
    def register(self, template: Any, /) -> Any:
        """Register a template, or as a decorator a function that returns one; gives the template.

        Raises TemplateConflict where another shape is registered under the same name and version.
        """
        found = checked_template(template, "register")
        self._plan(found)
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
        checked_starter(topic, build)
        self.register(template)
        plan = self._plan(template)
        self._registry.start_on(topic, plan, build)
        self._backend.log.consume(self._registry.consumed, self._registry.topics)

    def _plan(self, template: Template[Any, Any]) -> Plan:
        """The plan of a template, which is registered if it is not yet."""
        known = self._registry.known(template)
        if known is not None:
            return known
        plan = self._registry.add(template)
        self._backend.log.consume(self._registry.consumed, self._registry.topics)
        return plan

    def _prepare(self, template: Template[Any, B], input: Any, id: object) -> Prepared[B]:
        return prepare(self._plan(template), input, id)

    # Instances.

    async def start(self, template: Template[A, B], input: A, *, id: str | uuid.UUID | None = None) -> Run[B]:
        """Create an instance and submit it; the same id and input again are the same instance.

        A template that is not registered yet is registered. Raises WrongInput, or InstanceConflict for another
        input or template under a live id.
        """
        return await self.submit(self._prepare(checked_template(template, "start"), input, id))

    async def start_all(self, template: Template[A, B], inputs: Iterable[A]) -> list[Run[B]]:
        """Start an instance for each input, in one go. The ids are the business keys.

        All are accepted, or none is; on Kafka some may have been where it raises: start all of them again.

        Costs much less than one `start` after the other. Raises as `start` does.
        """
        found = checked_template(template, "start_all")
        return await self.submit_all([self._prepare(found, input, None) for input in inputs])

    async def submit(self, instance: Prepared[B]) -> Run[B]:
        """Submit an instance that `create_instance` made; returns once it is accepted."""
        self._check(instance)
        await self._open()
        state = self._known(instance, (await self._backend.store.read([instance.id]))[0])
        run = self._watch.handle(instance.plan, state or instance.submitted(self._clock.now()))
        await self._backend.log.append([_submission(instance, self._backend.log.partitions)])
        return run

    async def submit_all(self, instances: Sequence[Prepared[B]]) -> list[Run[B]]:
        """Submit instances that `create_instance` made, in one go, as `start_all` does."""
        first = dict[str, Prepared[B]]()
        for one in instances:
            self._check(one)
            other = first.setdefault(one.id, one)
            if (other.raw, other.plan.template, other.plan.version) != (one.raw, one.plan.template, one.plan.version):
                raise InstanceConflict(f"'{one.id}' is the id of two instances that differ; give id= another value")
        await self._open()
        rows = await self._backend.store.read(list(first))
        known = {id: self._known(one, row) for (id, one), row in zip(first.items(), rows, strict=True)}
        now, partitions = self._clock.now(), self._backend.log.partitions
        runs = [self._watch.handle(one.plan, known[one.id] or one.submitted(now)) for one in instances]
        await self._backend.log.append([_submission(one, partitions) for one in instances])
        return runs

    def _check(self, instance: Prepared[Any]) -> None:
        checked_prepared(instance)
        self._registry.expect(instance.plan)
        self._fits("the input of instance", instance.id, instance.raw)

    def _known(self, instance: Prepared[Any], row: Row | None) -> State | None:
        """The state of an instance that exists already. Raises InstanceConflict if it is another one."""
        state = None if row is None else decode_cell(row.data).home.state
        if state is None:
            state = self._watch.seen(instance.id)
        if state is not None:
            self._refuse_conflict(instance, state)
        return state

    def _refuse_conflict(self, instance: Prepared[Any], state: State) -> None:
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
        """A snapshot of an instance. Raises UnknownInstance, or InstanceConflict as `wait` does."""
        await self._open()
        state = await self._state(id_of(id))
        if state is not None:
            self._watch.catch_up([state])
            if isinstance(id, Run):
                _refuse_other(id)
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
        states = [state for row in rows if (state := decode_cell(row.data).home.state) is not None]
        left_out = Counter((state.template, state.version) for state in states if not self._knows(state))
        for (name, version), count in left_out.items():
            what = "1 instance is" if count == 1 else f"{count} instances are"
            logger.warning(
                "%s left out: template '%s' version %d is not registered here as it was", what, name, version
            )
        return [self._snapshot(state) for state in states if self._knows(state)]

    async def count(
        self, *, template: str | None = None, status: Status | str | None = None, key: str | None = None
    ) -> int:
        """How many instances match all that is given."""
        query = checked_query(template, status, key, 1, None)
        await self._open()
        return await self._backend.store.count(query)

    def _knows(self, state: State) -> bool:
        """Whether an instance can be shown: of those whose template is not registered here only the id is known."""
        return self._registry.plan_of(state) is not None

    async def wait(self, instance: str | uuid.UUID | Run[Any]) -> Instance:
        """Wait until an instance has ended; gives its snapshot. Raises UnknownInstance.

        Raises InstanceConflict for a run whose id another instance has got: both were submitted before one had begun.
        """
        if isinstance(instance, Run) and instance.status.is_end:
            return instance.instance
        id = id_of(instance)
        await self._open()
        while True:
            event = self._watch.end_of(id)
            try:
                found = await self._ended(instance)
                if found is not None:
                    return found
                await self._follower.until(event)
            finally:
                self._watch.forget(id, event)

    async def _ended(self, instance: str | uuid.UUID | Run[Any]) -> Instance | None:
        """The snapshot of an instance that has ended; None of one that has not. Raises UnknownInstance."""
        if isinstance(instance, Run):
            if instance.status.is_end:
                return instance.instance
            _refuse_other(instance)
            if self._watch.shows(instance):  # whoever commits its end, it is seen here
                return None
        state = await self._state(id_of(instance))
        if state is None and not isinstance(instance, Run):
            raise UnknownInstance(f"no instance has the id '{instance}'")
        if state is None or state.is_live:
            return None
        self._watch.catch_up([state])
        return self._snapshot(state)

    async def _look(self, ids: Sequence[str]) -> int:
        """Show what is committed now of some instances; gives how many of them have ended."""
        rows = await self._backend.store.read(ids)
        states = [state for row in rows if row is not None and (state := decode_cell(row.data).home.state) is not None]
        self._watch.catch_up(states)
        return sum(not state.is_live for state in states)

    async def signal(self, instance: str | uuid.UUID | Run[Any], name: str, value: object) -> None:
        """Send a signal to an instance. Raises UnknownInstance, or WrongInput for a value of another type."""
        await self._open()
        id, plan = await self._target(instance)
        payload = checked_signal(plan, name, value)
        self._fits("the signal", name, payload)
        await self._append(id, SignalReceived(name, payload))

    async def signal_json(self, instance: str | uuid.UUID | Run[Any], name: str, data: bytes) -> None:
        """The same, with the value as JSON: for callers who have no Python value. Raises DecodeError too."""
        await self._open()
        _, plan = await self._target(instance)
        codec = plan.signals.get(name)
        await self.signal(instance, name, data if codec is None else json.bind(codec.type).decode(data))

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
        entry = checked_message(topic, message, headers, id)
        self._fits("a message for topic", topic.name, entry.payload)
        await self._open()
        await self._backend.log.append([entry])

    async def publish_all(
        self, topic: Topic[M], messages: Iterable[M], *, id: Callable[[M], str] | None = None
    ) -> None:
        """Put messages on a topic, in their order and in one go: all of them, or none.

        On Kafka some may have been published where it raises; give each an `id`, and publish all of them again.

        `id` names each, so that a repetition of it is recognised. Raises as `publish` does.
        """
        checked_several(messages)
        entries = [checked_message(topic, one, id=None if id is None else id(one)) for one in messages]
        for entry in entries:
            self._fits("a message for topic", topic.name, entry.payload)
        await self._open()
        await self._backend.log.append(entries)

    async def subscribe(self, topic: Topic[M], *, group: str) -> AsyncIterator[M]:
        """The messages of a topic, for code outside any workflow; each at least once for a group.

        One that cannot be decoded goes to the topic's dead letters, with the reason. While the backend is not
        available, it is tried again.
        """
        async for messages in self.subscribe_batches(topic, group=group):
            for message in messages:
                yield message

    async def subscribe_batches(self, topic: Topic[M], *, group: str, limit: int = 100) -> AsyncIterator[list[M]]:
        """The same, as lists of at most `limit` messages: those that are there by now."""
        checked_topic(topic, "subscribe")
        name = checked_group(group)
        await self._open()
        reader = self._backend.log.reader(topic.name, name)
        reader.rewind()  # a subscription before this one may have been left amid a batch
        while True:
            found = await insist(f"reading '{topic.name}'", lambda: reader.read(limit))
            messages, others = decoded(topic, found)
            if others:
                letters = partial(self._backend.log.append, others)
                await insist(f"dead letters of '{topic.name}' are kept", letters)
            if messages:
                yield messages

    # Small things.

    def _fits(self, what: str, name: str, data: bytes) -> None:
        if len(data) > self._backend.size_max:
            raise WrongInput(f"{what} '{name}' has {len(data):,} bytes, and may have {self._backend.size_max:,}")

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
        plan = self._registry.plan_of(state)
        if plan is None:
            raise TemplateConflict(other_steps(state))
        return plan

    def _snapshot(self, state: State) -> Instance:
        return Instance(self._plan_of(state), state)


def _refuse_other(run: Run[Any]) -> None:
    if run.seen.is_taken:
        raise InstanceConflict(
            f"the id '{run.id}' has got another instance, which was submitted with another input or template before "
            "this one; give id= another value"
        )


def _submission(instance: Prepared[Any], partitions: int) -> Append:
    id, plan = instance.id, instance.plan
    event = Submitted(plan.template, plan.version, id, instance.key, instance.raw)
    return Append(partition_of(id, partitions), encode_record(Record(id, event)))
