"""What a caller gives is checked here, when it is given: inputs, ids, signals."""

from __future__ import annotations

import uuid
from typing import Any

from dagger.engine.run import Prepared
from dagger.errors import EncodeError, RequestError, WrongInput
from dagger.plan.keys import MissingKey
from dagger.plan.plan import Plan


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


def checked_id(id: object) -> str:
    """An instance id as text. Raises RequestError."""
    if isinstance(id, uuid.UUID):
        return str(id)
    if isinstance(id, str) and id:
        return id
    raise RequestError(f"an instance id is text that is not empty, or a UUID; got {id!r}")


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
