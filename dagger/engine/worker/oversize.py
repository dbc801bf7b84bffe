"""What happens to a record of the log that would make the row of its key larger than the store accepts.

Several records of one batch may have made the row too large together, with their outbox. So the batch is divided until
each record is applied alone. If the row is still too large, the step itself is the cause, and fails its instance. A
message that came early is then not kept, like one beyond `early_limit`.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from dagger.core.dispatch import FindPlan, PlanMissing, bare, begin_too_large, receive, receive_oversized
from dagger.core.early import unmatched
from dagger.core.entity import Entity, Result
from dagger.core.events import Event, InstanceEvent, SizeLimitExceeded, Submitted, Subscribed
from dagger.core.state import Held, State
from dagger.engine.ports import Batch
from dagger.engine.records import Record, decode_record, unread_record
from dagger.errors import in_line
from dagger.plan.plan import Limits

logger: Final = logging.getLogger("dagger")


class Oversized(msgspec.Struct, frozen=True):
    """How large a row would be, and how often an alternative was tried."""

    text: str
    tries: int = 1


def split_batch(batch: Batch, key: str) -> tuple[Batch, Batch] | None:
    """A batch divided in two, each with fewer records for a key; None if it cannot be divided."""
    own = [number for number, record in enumerate(batch.records) if _goes_to(record.data, key)]
    if len(own) < 2:
        return None
    cut = own[len(own) // 2]
    return (
        Batch(batch.records[:cut], batch.messages, poison=batch.poison),
        Batch(batch.records[cut:], (), poison=batch.poison),
    )


def _goes_to(data: bytes, key: str) -> bool:
    try:
        return decode_record(data).to == key
    except msgspec.MsgspecError as error:
        found = unread_record(data, error)
        return isinstance(found, Record) and found.to == key


def answer(
    find: FindPlan, limits: Limits, entity: Entity, event: Event, oversized: Oversized, now: int
) -> Result | None:
    """What is applied instead of such an event; None if the event cannot be kept in any way.

    First the step that made the value fails, like any other failure. If that is too large as well, the instance fails
    and what has completed is undone. If even that is too large, the instance fails and nothing is undone.
    """
    state = entity.state
    if entity.parked or oversized.tries > 3:
        return None
    if state is None:
        return _begin(find, limits, entity, event, oversized, now)
    after = receive(find, limits, entity, event, now)[0].state
    if not state.is_live or after is state:
        return None  # not the instance grows, but what is kept beside it
    if after is not None and (early := _kept_in(state, after)) is not None:
        logger.error("%s: a message that came early is not kept for it: %s", in_line(state.id), oversized.text)
        return entity, (unmatched(early, "overflow"),)
    if oversized.tries == 1 and isinstance(event, InstanceEvent):
        return receive_oversized(find, limits, entity, state, event, oversized.text, now)
    if oversized.tries == 3:
        logger.error("%s: it ends without what would be undone: %s", in_line(state.id), oversized.text)
        entity = msgspec.structs.replace(entity, state=bare(state))
    return receive(find, limits, entity, SizeLimitExceeded(oversized.text), now)


def _kept_in(state: State, after: State) -> Held | None:
    """The message, if the only effect of the event is that it is kept until the instance waits for it."""
    *before, last = after.held or (None,)
    if last is None or tuple(before) != state.held:
        return None
    return last if msgspec.structs.replace(after, held=state.held, now=state.now) == state else None


def _begin(
    find: FindPlan, limits: Limits, entity: Entity, event: Event, oversized: Oversized, now: int
) -> Result | None:
    if not isinstance(event, Submitted) or oversized.tries > 1:
        return None
    try:
        return begin_too_large(find, limits, entity, event, oversized.text, now)
    except PlanMissing:
        return None


def follow_up(record: Record, oversized: Oversized) -> Record | None:
    """What follows from an event that was not kept: a step that cannot subscribe would wait for ever, so it fails."""
    if not isinstance(record.event, Subscribed):
        return None
    return Record(
        record.event.instance, SizeLimitExceeded(f"the key '{record.to}' has too many subscribers: {oversized.text}")
    )
