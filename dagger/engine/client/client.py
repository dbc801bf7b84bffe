"""Requests to an engine, wherever its workers run: templates, instances, messages, signals."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

from dagger.codecs import json
from dagger.core.entity import Entity
from dagger.core.events import Event, SignalReceived, StopRequested, Submitted
from dagger.core.same_start import is_same_start
from dagger.core.state import State
from dagger.dsl.leaves import SignalOf
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.engine.client.inspector import Inspector
from dagger.engine.client.run import Prepared, Registered, Run, accepted
from dagger.engine.client.start_triggers import check_start_trigger, checked_build
from dagger.engine.client.validation import (
    checked_carried,
    checked_many,
    checked_prepared,
    checked_signal,
    checked_template,
    id_of,
    prepare,
)
from dagger.engine.headers import CARRIED_MAX
from dagger.engine.ports import Append, Row
from dagger.engine.records import Record, StoredEntity, encode_record, encode_stored
from dagger.errors import InstanceConflict, UnknownInstance, WrongInput, in_line
from dagger.plan.plan import Plan

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")

RECORD_ROOM: Final = 512
"""How many bytes the record of an instance that fails at once needs, in addition to its submission."""


class Client(Inspector):
    """Registers templates, accepts instances and messages, and queries instances."""

    # Templates.

    @overload
    def register(self, template: Template[A, B], /) -> Template[A, B]: ...
    @overload
    def register(self, template: Callable[[], Template[A, B]], /) -> Template[A, B]: ...
    def register(self, template: Any, /) -> Any:
        """Register a template, or as a decorator a function that returns one; returns the template.

        Raises TemplateConflict if another workflow is registered under the same name and version.
        """
        found = checked_template(template, "register")
        self._plan(found)
        return found

    def register_template(self, template: Template[A, B], /) -> Template[A, B]:
        """The same as `register`, with the name that users of wf-dagger know."""
        return self.register(template)

    @overload
    def get_template(self, name: Template[A, B], /) -> Registered[A, B]: ...
    @overload
    def get_template(self, name: str, version: int | None = None) -> Registered[Any, Any]: ...
    def get_template(self, name: Any, version: int | None = None) -> Any:
        """A registered template by its name, in its latest version by default. A template itself is registered first.

        Raises UnknownTemplate for a name or a version that is not registered.
        """
        if isinstance(name, str):
            return Registered(self._registry.template(name, version), self._prepare)
        return Registered(self.register(checked_template(name, "get_template")), self._prepare)

    @overload
    def start_on(self, topic: Topic[M], template: Template[M, Any], *, build: None = None) -> None: ...
    @overload
    def start_on(self, topic: Topic[M], template: Template[A, Any], *, build: Callable[[M], A]) -> None: ...
    def start_on(self, topic: Any, template: Any, *, build: Any = None) -> None:
        """Let each message of a topic start an instance, once; `build` computes the input from the message.

        Without `build` the message is the input. The instance's id is its business key. Raises TemplateError if a
        message of the topic does not fit the template's input, as far as the types are declared.
        """
        fn = checked_build(topic, build)
        found = checked_template(template, "start_on")
        check_start_trigger(topic, found, fn)
        plan = self._plan(found)
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

    async def start(
        self,
        template: Template[A, B],
        input: A,
        *,
        id: str | uuid.UUID | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Run[B]:
        """Create an instance and submit it; the same id and input again are the same instance, whatever the headers.

        `headers` are kept with the instance: `Instance.headers`, and `dagger.context().headers` in its tasks. Commands
        carry the trace context among them. A template that is not registered yet is registered. Raises WrongInput, or
        InstanceConflict for another input or template under a live id.
        """
        prepared = self._prepare(checked_template(template, "start"), input, id)
        return await self.submit(prepared, headers=headers)

    async def start_all(
        self, template: Template[A, B], inputs: Iterable[A], *, headers: Mapping[str, str] | None = None
    ) -> list[Run[B]]:
        """Start an instance for each input, in one call. The ids are the business keys.

        Either all of them are accepted, or none. On Kafka some may have been accepted if it raises: start all of them
        again.

        This costs much less than separate calls of `start`. Raises the same errors as `start`.
        """
        found = checked_template(template, "start_all")
        given = checked_many(inputs, "start_all", "inputs")
        return await self.submit_all([self._prepare(found, input, None) for input in given], headers=headers)

    async def submit(self, instance: Prepared[B], *, headers: Mapping[str, str] | None = None) -> Run[B]:
        """Submit the result of `create_instance`; returns once it is accepted. Raises the same errors as `start`."""
        kept = checked_carried("submit", headers)
        self._check(instance, kept)
        if not self._is_open():
            await self._open()
        event = instance.submission(self._clock.now(), kept)
        await self._directory.declare(instance.plan.channels, event.at)
        (row,) = await self._backend.store.read([event.id])
        self._watch.begin_sending([event.id])
        try:
            run = self._handle(instance, event, row)
            await self._backend.log.append([self._record(event.id, event)])
        finally:
            self._watch.end_sending([event.id])
        if self._follows_requests:
            await self._after_request()
        return run

    async def submit_all(
        self, instances: Sequence[Prepared[B]], *, headers: Mapping[str, str] | None = None
    ) -> list[Run[B]]:
        """Submit several results of `create_instance` in one call, like `start_all`."""
        instances = checked_many(instances, "submit_all", "the results of create_instance")
        kept = checked_carried("submit_all", headers)
        now = self._clock.now()
        events, first = list[Submitted](), dict[str, Submitted]()
        for one in instances:
            self._check(one, kept)
            event = one.submission(now, kept)
            events.append(event)
            other = first.setdefault(event.id, event)
            if other is not event and not is_same_start(one.plan, event, other):
                raise InstanceConflict(f"'{one.id}' is the id of two different instances; pass another id=")
        await self._open()
        await self._directory.declare({name for one in instances for name in one.plan.channels}, now)
        rows = dict(zip(first, await self._backend.store.read(list(first)), strict=True))
        self._watch.begin_sending(first)
        try:
            runs = [self._handle(one, event, rows[one.id]) for one, event in zip(instances, events, strict=True)]
            await self._backend.log.append([self._record(event.id, event) for event in events])
        finally:
            self._watch.end_sending(first)
        if self._follows_requests:
            await self._after_request()
        return runs

    def _handle(self, instance: Prepared[B], event: Submitted, row: Row | None) -> Run[B]:
        """The handle of an instance, which may exist already. Raises InstanceConflict if the existing one differs."""
        state = self._state_of(row, event.id) or self._watch.seen(event.id)
        if state is None:
            state = accepted(event, event.at, instance.plan.signature)
        elif not is_same_start(instance.plan, event, state.head):
            raise _conflict(event, state)
        return self._watch.handle(instance.plan, state)

    def _check(self, instance: Prepared[Any], headers: dict[str, str]) -> None:
        checked_prepared(instance)
        self._registry.expect(instance.plan)
        self._fits("the input of instance", instance.id, instance.raw)
        size = len(instance.raw) + 4 * (len(instance.id) + len(instance.key)) + RECORD_ROOM
        if headers:
            size += 2 * CARRIED_MAX
        if size > self._backend.size_max:
            self._fits_record(instance, headers)

    def _fits_record(self, instance: Prepared[Any], headers: dict[str, str]) -> None:
        """Check that the input fits into the record of its instance."""
        state = accepted(instance.submission(self._clock.now(), headers), 0, instance.plan.signature)
        size, size_max = len(encode_stored(StoredEntity(entity=Entity(state)))) + RECORD_ROOM, self._backend.size_max
        if size > size_max:
            raise WrongInput(
                f"the input of instance '{in_line(instance.id[:100])}' has {len(instance.raw):,} bytes; with it the "
                f"record of the instance would have {size:,}, and may have {size_max:,}"
            )

    @overload
    async def signal(
        self,
        instance: str | uuid.UUID | Run[Any],
        signal: SignalOf[M],
        value: M,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        instance: str | uuid.UUID | Run[Any],
        signal: str,
        value: object,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    async def signal(self, instance: Any, signal: Any, value: object, *, headers: Any = None) -> None:
        """Send a signal to an instance. The signal is the result of `signal(...)` or `@signal(...)`, or its name.

        What the signal causes carries the trace context among the `headers`. Raises UnknownInstance, or WrongInput for
        a value of another type.
        """
        kept = checked_carried("signal", headers)
        await self._open()
        id, plan = await self._target(instance)
        name, payload = checked_signal(plan, signal, value)
        self._fits("the signal", name, payload)
        await self._append(id, SignalReceived(name, payload, headers=kept))
        if self._follows_requests:
            await self._after_request()

    async def signal_json(self, instance: str | uuid.UUID | Run[Any], name: str, data: bytes) -> None:
        """The same with the value as JSON, for callers without a Python value. Also raises DecodeError."""
        await self._open()
        _, plan = await self._target(instance)
        given: Any = name  # users without a checker
        codec = plan.signals.get(name) if isinstance(given, str) else None
        await self.signal(instance, name, data if codec is None else json.bind(codec.type).decode(data))

    async def stop(self, instance: str | uuid.UUID | Run[Any]) -> None:
        """Stop an instance: it and its executing steps become STOPPED. Raises UnknownInstance."""
        await self._open()
        id, _ = await self._target(instance)
        await self._append(id, StopRequested())
        if self._follows_requests:
            await self._after_request()

    # Small things.

    async def _append(self, to: str, event: Event) -> None:
        await self._backend.log.append([self._record(to, event)])

    def _record(self, to: str, event: Event) -> Append:
        return Append(self._backend.log.partition_of(to), encode_record(Record(to, event)))

    async def _target(self, instance: str | uuid.UUID | Run[Any]) -> tuple[str, Plan]:
        """The instance of a request. A run may not have begun yet: the request comes after its submission."""
        if isinstance(instance, Run):
            return instance.id, instance.plan
        state = await self._state(id_of(instance))
        if state is None:
            raise UnknownInstance(f"no instance has the id '{instance}'")
        return state.id, self._plan_of(state)


def _conflict(event: Submitted, state: State) -> InstanceConflict:
    if (state.template, state.version) != (event.template, event.version):
        return InstanceConflict(
            f"instance '{event.id}' is of template '{state.template}' version {state.version}, not "
            f"'{event.template}' version {event.version}; give id= another value"
        )
    return InstanceConflict(
        f"instance '{event.id}' was started with another input; give id= another value, or the same input"
    )
