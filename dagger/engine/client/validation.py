"""What a caller gives is checked here, when it is given: inputs, ids, messages, signals."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from typing_extensions import TypeIs

from dagger.codecs import type_name
from dagger.core.state import Status
from dagger.dsl.nodes import Await
from dagger.dsl.step import Step
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic, checked_topic_name
from dagger.engine.client.run import Prepared, Run
from dagger.engine.headers import CARRIED_MAX, ID, OWN, headers_of, within
from dagger.engine.ports import Outgoing, Query
from dagger.errors import EncodeError, RequestError, TemplateError, WrongInput, reason_of, shown
from dagger.plan.keys import MissingKey, is_encodable, partition_key_of
from dagger.plan.plan import Plan

M = TypeVar("M")

LIMIT_MAX: Final = 2**31 - 1
"""The longest page: what every store can count to."""


def prepare(plan: Plan, input: Any, id: object) -> Prepared[Any]:
    """Check an input and its key. Raises WrongInput."""
    try:
        raw, live = plan.takes.round_trip(input)
    except EncodeError as error:
        raise WrongInput(f"template '{plan.template}' takes {plan.takes.name}: {error}") from None
    try:
        key = plan.key_of(live)
    except MissingKey as error:
        raise WrongInput(f"template '{plan.template}': the business key of the input: {error}") from None
    except Exception as error:
        raise WrongInput(f"template '{plan.template}': its key function raised {reason_of(error)}") from error
    return Prepared(key if id is None else checked_id(id), key, plan, raw, live)


def checked_template(given: Any, place: str) -> Template[Any, Any]:
    """What was given to a method: a template, or a function that returns one. Raises RequestError."""
    found = given() if callable(given) else given
    if not isinstance(found, Template):
        raise RequestError(f"{place}: expects a template, or a function that returns one, got {found!r}")
    return found  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any


def checked_many(given: Any, place: str, what: str) -> list[Any]:
    """What was given to a method that takes several. Raises RequestError for one alone."""
    if not _is_several(given):
        raise RequestError(f"{place}: expects several of {what}, as a list, got {shown(given)}")
    return list(given)


def _is_several(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes)


def _is_mapping(given: object) -> bool:
    return isinstance(given, Mapping)


def checked_prepared(given: object) -> None:
    """Raises RequestError for what no `create_instance` gave."""
    if isinstance(given, Prepared):
        return
    if inspect.iscoroutine(given):
        given.close()  # nobody will await it
        raise RequestError("submit: got a coroutine, a forgotten await? Write submit(await ....create_instance(...))")
    raise RequestError(f"submit: expects the result of create_instance, got {given!r}")


class AnyParent(Enum):
    """Marks a query for instances whatever their parent is."""

    ANY_PARENT = 0


ANY_PARENT: Final = AnyParent.ANY_PARENT
Parents: TypeAlias = str | uuid.UUID | Run[Any] | AnyParent | None
"""Whose children are wanted: of one instance, of none, or any."""


def checked_query(
    template: str | None,
    status: Status | str | None,
    key: str | None,
    limit: int,
    after: str | None,
    parent: Parents = ANY_PARENT,
) -> Query:
    """Which instances are wanted. Raises RequestError."""
    if type(limit) is not int or limit < 1:
        raise RequestError(f"instances: limit is {limit!r}; give 1 or more")
    for name, value in (("template", template), ("key", key), ("after", after)):
        if value is not None and not _is_text(value):
            raise RequestError(f"instances: {name} is {value!r}; give text")
    if status is not None and status not in list(Status):
        raise RequestError(f"instances: no status is called {status!r}; there are: {', '.join(Status)}")
    of = None if parent is ANY_PARENT else "" if parent is None else id_of(parent)
    return Query(template, None if status is None else Status(status).value, key, min(limit, LIMIT_MAX), after, of)


def checked_settings(counts: Mapping[str, tuple[object, int]], spans: Mapping[str, object]) -> None:
    """Whole numbers, each with the least that it may be, and timedeltas of zero or more. Raises RequestError."""
    for name, (value, least) in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise RequestError(f"Dagger: {name} is {value!r}; give a whole number from {least}")
    for name, value in spans.items():
        if not isinstance(value, timedelta) or value < timedelta(0):
            raise RequestError(f"Dagger: {name} is {value!r}; give a timedelta of zero or more")


def checked_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raises RequestError for a value that is not one of the choices."""
    if value not in choices:
        raise RequestError(f"Dagger: {name} is {value!r}; give one of {', '.join(map(repr, choices))}")


def checked_outside(lifespan: object, unmatched_topic: object, datadir: object, clock: object, backend: object) -> None:
    """What an engine uses of others. Raises RequestError."""
    if datadir is not None and not isinstance(datadir, str | Path):
        raise RequestError(f"Dagger: datadir is {shown(datadir)}; give the path of a directory, as text or a Path")
    if clock is not None and not callable(getattr(clock, "now", None)):
        raise RequestError(f"Dagger: clock is {shown(clock)}; give a Clock, whose now() gives microseconds")
    if backend is not None and not (hasattr(backend, "log") and hasattr(backend, "store")):
        raise RequestError(f"Dagger: backend is {shown(backend)}; give a Backend, or the URL of one as broker=")
    if lifespan is not None and not callable(lifespan):
        raise RequestError(
            f"Dagger: lifespan is {lifespan!r}; give a function of the engine that gives an async context manager"
        )
    if unmatched_topic is not None:
        try:
            checked_topic_name(unmatched_topic)
        except TemplateError as error:
            raise RequestError(f"Dagger: unmatched_topic is {unmatched_topic!r}: {error}, or leave it out") from None


def checked_lifespan(given: Any) -> AbstractAsyncContextManager[Any]:
    """What the function of `lifespan=` gave. Raises RequestError for what cannot be entered."""
    if isinstance(given, AbstractAsyncContextManager):
        return given  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
    if inspect.iscoroutine(given):
        given.close()  # nobody will await it
    raise RequestError(
        f"Dagger: lifespan gave {shown(given)}, which is no async context manager; write it as "
        "`@contextlib.asynccontextmanager`, `async def lifespan(engine):` with one `yield`"
    )


def checked_topic(topic: object, place: str) -> None:
    """Raises RequestError for what is no topic."""
    if not isinstance(topic, Topic):
        raise RequestError(f"{place}: expects a Topic(name, type, key=...), got {topic!r}")


def id_of(instance: object) -> str:
    """The id of an instance, which is given by its run or by its id."""
    return instance.id if isinstance(instance, Run) else checked_id(instance)


def checked_id(id: object) -> str:
    """An instance id as text. Raises RequestError."""
    if isinstance(id, uuid.UUID):
        return str(id)
    if _is_text(id) and id:
        return id
    raise RequestError(f"an instance id is text that is not empty, or a UUID; got {id!r}")


def checked_message(
    topic: Topic[M], message: M, headers: Mapping[str, str] | None = None, id: str | None = None
) -> Outgoing:
    """A message as it goes to its topic; `id` becomes its `dagger-id`. Raises WrongInput."""
    checked_topic(topic, "publish")
    if id is not None:
        _check_name(topic.name, id)
    try:
        payload = topic.wire.encode(message)
        key = partition_key_of(topic, message)
    except (EncodeError, MissingKey) as error:
        raise WrongInput(f"topic '{topic.name}': {error}") from None
    except Exception as error:
        raise WrongInput(f"topic '{topic.name}': its key function raised {reason_of(error)}") from error
    if id is None and headers is None:
        return Outgoing(topic.name, key.encode(), payload)
    given = {} if headers is None else checked_headers(f"topic '{topic.name}'", headers)
    named = {} if id is None else {ID: id}
    return Outgoing(topic.name, key.encode(), payload, headers_of({**given, **named}))


def _check_name(topic: str, id: object) -> None:
    if not (_is_text(id) and id):
        raise WrongInput(f"topic '{topic}': the id of a message is {id!r}; give text that is not empty")


def checked_several(messages: object) -> None:
    """Raises RequestError for one message, where several are wanted."""
    if not _is_several(messages):
        raise RequestError(
            f"publish_all: expects several messages, as a list, got {shown(messages)}; publish takes one"
        )


def checked_headers(place: str, headers: Any) -> dict[str, str]:
    """Headers, if all of them are text that can be written. Raises WrongInput."""
    if not _is_mapping(headers):
        raise WrongInput(f"{place}: headers are {shown(headers)}; give a dict of text")
    for name, value in headers.items():
        if not _is_text(name) or not _is_text(value):
            raise WrongInput(f"{place}: header {shown(name)} is {shown(value)}; names and values of headers are text")
    return dict(headers)


def checked_carried(place: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers that an instance keeps: not this library's own, and no more than is carried. Raises WrongInput."""
    if headers is None:
        return {}
    found = checked_headers(place, headers)
    for name in found:
        if name.startswith(OWN):
            raise WrongInput(f"{place}: header '{name}' begins with '{OWN}', as those of this library do; rename it")
    if within(found) != found:
        size = sum(len(name.encode()) + len(text.encode()) for name, text in found.items())
        raise WrongInput(
            f"{place}: the headers have {size:,} bytes, and may have {CARRIED_MAX:,} together; put what is long into "
            "the input"
        )
    return found


def checked_group(group: object) -> str:
    """The name of a group of readers. Raises RequestError."""
    if _is_text(group) and group:
        return group
    raise RequestError(f"subscribe: group is {group!r}; give text that is not empty")


def _is_text(value: object) -> TypeIs[str]:
    """Whether it is text, and can be written as such."""
    return isinstance(value, str) and is_encodable(value)


def checked_signal(plan: Plan, signal: object, value: object) -> tuple[str, bytes]:
    """The name of a signal, and the stored form of its value. Raises WrongInput."""
    name, declared = _signal(signal)
    codec = plan.signals.get(name)
    if codec is None:
        known = ", ".join(sorted(plan.signals))
        raise WrongInput(f"template '{plan.template}' waits for no signal '{name}'; it waits for: {known or 'none'}")
    if declared is not None and declared != codec.type:
        raise WrongInput(
            f"template '{plan.template}' waits for a signal '{name}' that carries {codec.name}, and the one that is "
            f"sent carries {type_name(declared)}; send the one that is in the template"
        )
    try:
        return name, codec.round_trip(value)[0]
    except EncodeError as error:
        raise WrongInput(f"signal '{name}' of template '{plan.template}': {error}") from None


def _signal(given: object) -> tuple[str, Any]:
    """The name of a signal and, unless only that was given, the type that it carries. Raises RequestError."""
    if isinstance(given, str):
        return given, None
    if isinstance(given, Step) and isinstance(given.node, Await):
        return given.node.signal, given.node.type
    raise RequestError(
        "signal: expects the name of a signal, or the result of signal(name, type) or @signal(name, type), "
        f"got {given!r}"
    )
