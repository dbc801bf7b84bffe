"""Messages that come to an instance before a step waits for them.

One is kept while some listener may still come to it: so many for a channel and key (`Limits.early_count`), for a time
(`Limits.early_us`). One that is not kept is unmatched, with the reason. A listener of an undo or a hook is given only
what has come since that was ordered.
"""

from __future__ import annotations

from dagger.core.effects import Effect, Ignored, Unmatched
from dagger.core.events import MessageForwarded, MessageReceived
from dagger.core.state import COMPLETED, Ending, Held, State, Undoing
from dagger.core.transition import Transition
from dagger.plan import ops
from dagger.plan.plan import Plan


def keep(plan: Plan, state: State, held: Held, now: int) -> tuple[State, tuple[Effect, ...]]:
    """A message that nobody waits for is kept while some listener may still come to it."""
    alike = _alike(state, held, now)
    id = held.message.id
    if id and any(one.message.id == id for one in alike):
        return state, (Ignored("a message of this id is kept already"),)
    reason = _refusal(plan, state, held, len(alike), now)
    if reason:
        return state, (unmatched(held, reason),)
    tr = Transition.of(plan, state, now)
    tr.held = (*state.held, Held(held.message, held.expires, held.shared, state.next_frame))
    return tr.close()


def _alike(state: State, held: Held, now: int) -> list[Held]:
    """What is kept for the same channel and key."""
    address = (held.message.channel, held.message.key)
    return [one for one in state.held if (one.message.channel, one.message.key) == address and one.expires > now]


def _refusal(plan: Plan, state: State, held: Held, kept: int, now: int) -> str:
    """Why a message is not kept; empty if it is."""
    tr = Transition.of(plan, state, now)
    found = plan.listeners.get(held.message.channel, ())
    if not any(_may_come(tr, op, held.message.key) for op in found):
        return "late" if found else "no listener"
    return "overflow" if kept >= plan.limits.early_count else ""


def _may_come(tr: Transition, op: ops.Listen, key: str) -> bool:
    """Whether a listener that does not wait now may still wait for a message of this key."""
    if op.aside >= 0 and not _is_ordered(tr.state, op.aside):
        return False
    matches = op.on is not None or key in (tr.state.key, "")
    return matches and (op.repeats or tr.row(op.slot)[0] < COMPLETED)


def _is_ordered(state: State, aside: int) -> bool:
    """Whether what is run where something is given up is to be run, or runs."""
    for frame in state.frames.values():
        if type(frame) is Undoing and frame.op == aside:
            return True
        if type(frame) is Ending and any(one.op == aside for one in frame.queue):
            return True
    return False


def as_held(event: MessageReceived | MessageForwarded, expires: int) -> Held:
    """A message as it is kept: one that came a second way until it was to be kept at first, another until `expires`."""
    if isinstance(event, MessageForwarded):
        return Held(event.message, event.expires, event.shared)
    return Held(event.message, expires)


def unmatched(held: Held, reason: str) -> Unmatched:
    """Word of a message that nobody takes, and why."""
    return Unmatched(held.message, reason, held.expires, held.shared)
