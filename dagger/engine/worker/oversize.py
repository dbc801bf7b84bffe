"""What becomes of a record of the log that would make the row of its key larger than the store takes.

Several records of one batch may have made it so together, also by what they ordered. So the batch is divided until each
is applied alone. What is too large then is a step's own, and fails its instance. A message that came early is not kept
then, as one beyond `early_limit` is not.
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
    """How large a row would be, and how often something else was tried."""

    text: str
    tries: int = 1


def split_batch(batch: Batch, key: str) -> tuple[Batch, Batch] | None:
    """A batch as two, of which each has fewer records for a key; None if there is one only."""
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
    """What comes of such an event instead. None if the event cannot be kept in any way.

    First the step that made the value fails, and that is a failure as any other. Where that is too large as well, the
    instance fails, and what had completed is undone. Where even that is too large, it fails, and nothing is undone.
    """
    state = entity.state
    if entity.parked or oversized.tries > 3:
        return None
    if state is None:
        return _begin(find, limits, entity, event, oversized, now)
    after = receive(find, limits, entity, event, now)[0].state
    if not state.is_live or after is state:
        return None  # it is not the instance that grows, but what is kept beside it
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
    """The message of which nothing came but that it is kept until the instance waits for it."""
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
    """What is to be done where an event was not kept: who cannot subscribe would wait for ever, and fails."""
    if not isinstance(record.event, Subscribed):
        return None
    return Record(
        record.event.instance, SizeLimitExceeded(f"the key '{record.to}' has too many subscribers: {oversized.text}")
    )
