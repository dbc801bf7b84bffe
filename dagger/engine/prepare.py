"""What a caller gives is checked here, when it is given: inputs, ids, messages, signals."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.engine.ports import Outgoing
from dagger.engine.run import Prepared
from dagger.errors import EncodeError, RequestError, WrongInput
from dagger.plan.keys import MissingKey, partition_key_of
from dagger.plan.plan import Plan

M = TypeVar("M")


def prepare(plan: Plan, input: Any, id: object) -> Prepared[Any]:
    """Check an input and its key. Raises WrongInput."""
    try:
        raw, live = plan.takes.settle(input)
    except EncodeError as error:
        raise WrongInput(f"template '{plan.template}' takes {plan.takes.name}: {error}") from None
    try:
        key = plan.key_of(live)
    except MissingKey as error:
        raise WrongInput(f"template '{plan.template}': the business key of the input: {error}") from None
    except Exception as error:
        raise WrongInput(
            f"template '{plan.template}': its key function raised {type(error).__name__}: {error}"
        ) from error
    return Prepared(key if id is None else checked_id(id), key, plan, raw, live)


def checked_template(given: Any) -> Template[Any, Any]:
    """What was given to be registered: a template, or a function that returns one. Raises RequestError."""
    found = given() if callable(given) else given
    if not isinstance(found, Template):
        raise RequestError(f"register: wants a template, or a function that returns one, got {found!r}")
    return found  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any


def checked_id(id: object) -> str:
    """An instance id as text. Raises RequestError."""
    if isinstance(id, uuid.UUID):
        return str(id)
    if isinstance(id, str) and id:
        return id
    raise RequestError(f"an instance id is text that is not empty, or a UUID; got {id!r}")


def checked_message(
    topic: Topic[M], message: M, headers: Mapping[str, str] | None = None, id: str | None = None
) -> Outgoing:
    """A message as it goes to its topic; `id` becomes its `dagger-id`. Raises WrongInput."""
    try:
        payload = topic.wire.encode(message)
        key = partition_key_of(topic, message)
    except (EncodeError, MissingKey) as error:
        raise WrongInput(f"topic '{topic.name}': {error}") from None
    named = {} if id is None else {"dagger-id": id}
    return Outgoing(topic.name, key, payload, {**(headers or {}), **named})


def checked_signal(plan: Plan, name: str, value: object) -> bytes:
    """The stored form of a signal's value. Raises WrongInput."""
    codec = plan.signals.get(name)
    if codec is None:
        known = ", ".join(sorted(plan.signals))
        raise WrongInput(f"template '{plan.template}' waits for no signal '{name}'; it waits for: {known or 'none'}")
    try:
        return codec.settle(value)[0]
    except EncodeError as error:
        raise WrongInput(f"signal '{name}' of template '{plan.template}': {error}") from None
