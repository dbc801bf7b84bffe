"""An instance that a step of another one starts: what its entity makes of the records of its parent.

Parent and child are at home in two places, and what one orders of the other goes by the log:

| record | from | to |
|---|---|---|
| `Submitted(parent=)` | the parent, whose step begins | the child |
| `CallGivenUp` | the parent, whose step was given up | the child |
| `ChildEnded` | the child, which has ended or was not started | the parent |

Each of them says by which step of the parent the child is called: `Parent`. Each begin of the step has a frame of its
own there, and the parent begins the next only when it has been told the end of the one before. So of two starts by one
parent the later has the greater `Parent.order`, and is the next run of the child.

Nothing here relies on the order in which the records come, or on their number. A start that comes again starts
nothing. A start that was given up before it came starts an instance that is stopped at once. What a parent that goes on
is told again, it ignores.
"""

from __future__ import annotations

import msgspec

from dagger.core.effects import Effect, Ignored, Send
from dagger.core.entity import Entity, Result, Revoked
from dagger.core.error import Error
from dagger.core.events import CallGivenUp, ChildEnded, Parent, Submitted
from dagger.core.head import Head
from dagger.core.state import FAILURE, STOPPED, State
from dagger.errors import DaggerError, kinds_of

_KINDS = kinds_of(DaggerError)


def not_started(entity: Entity, event: Submitted, parent: Parent) -> Effect | None:
    """Why a start begins no instance, as what is to be done; None if it begins one."""
    state = entity.state
    if state is None:
        return None
    own = state.head.parent
    if own is not None and own.id == parent.id:
        if own.order >= parent.order:
            return Ignored("it was started already")
        if not state.is_live:
            return None
    return Send(parent.id, ChildEnded(parent, event.id, FAILURE, error=_taken(state, event)))


def as_next_run(event: Submitted, state: State | None) -> Submitted:
    """A start of a child that has run before."""
    return event if state is None else msgspec.structs.replace(event, run=state.head.run + 1)


def is_revoked(entity: Entity, parent: Parent) -> bool:
    """Whether a start was given up before it came."""
    return any(one.parent.id == parent.id and one.parent.order >= parent.order for one in entity.revoked)


def without_revoked(entity: Entity, parent: Parent) -> Entity:
    """An entity that no longer remembers what was given up before a start that has come."""
    if not entity.revoked:
        return entity
    left = tuple(one for one in entity.revoked if one.parent.id != parent.id or one.parent.order > parent.order)
    return msgspec.structs.replace(entity, revoked=left)


def given_up(entity: Entity, event: CallGivenUp, until: int) -> Result | None:
    """What becomes of a step of the parent that was given up; None if the instance here has to be stopped."""
    state, parent = entity.state, event.parent
    answer = Send(parent.id, ChildEnded(parent, event.child, STOPPED))
    if state is not None:
        own = state.head.parent
        if own == parent:
            return None if state.is_live else (entity, (Ignored("the instance has ended"),))
        if own is None or own.id != parent.id:  # which was not started, and is not while this one is here
            return entity, (answer,)
        if own.order > parent.order:
            return entity, (Ignored("a later run was started"),)
    if is_revoked(entity, parent):
        return entity, (Ignored("it was given up already"),)
    entity = without_revoked(entity, parent)
    return msgspec.structs.replace(entity, revoked=(*entity.revoked, Revoked(parent, until))), (answer,)


def told_to_parent(head: Head, parent: Parent, status: int, result: bytes | None, error: Error | None) -> Send:
    """The end of a child, as its parent is told it."""
    if error is not None and error.traceback:  # which stays with the child
        error = msgspec.structs.replace(error, traceback="")
    return Send(parent.id, ChildEnded(parent, head.id, status, result, error))


def _taken(state: State, event: Submitted) -> Error:
    """Why the step of the parent fails: the id of the child is that of another instance."""
    there = f"template '{state.template}' version {state.version}"
    asked = f"template '{event.template}' version {event.version}"
    if state.head.parent is not None:
        there += f", which step '{state.head.parent.path}' of '{state.head.parent.id}' started"
    ended = "" if state.is_live else ", which has ended"
    text = f"the id '{event.id}' is that of another instance of {there}{ended}; this step starts one of {asked}"
    return Error("", "InstanceConflict", text, _KINDS)
