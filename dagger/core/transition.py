"""The scratch pad of one step: a mutable copy of the state, closed into a new state when the step is done.

Nothing of a Transition outlives `step`, and the state that it was made from is never changed: a frame of that state is
replaced, not written to.

A step may do many things, and each of them costs a constant: what would be looked for among all frames is kept in an
index, which is built from the frames once a step, when it is first asked, and kept up to date from then on: the
children of each frame, the timers that are due, how many steps wait for a channel and key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from typing import Final

import msgspec

from dagger.core.due_timers import DueTimers
from dagger.core.effects import Effect, frame_of
from dagger.core.frames import ManyFrames, in_parts
from dagger.core.functions import Stored
from dagger.core.many import MANY
from dagger.core.rounds import place_in
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    Error,
    Frame,
    Held,
    Recalling,
    Scoping,
    Sleeping,
    Spreading,
    State,
    Undoing,
    item_suffix,
)
from dagger.core.table import CHUNK, NEVER, OPEN_MAX, Row, packed, unpacked, with_chunks
from dagger.plan import ops
from dagger.plan.ops import Op
from dagger.plan.plan import Plan

SEEN_MAX: Final = 64
"""How many ids of taken messages an instance remembers."""

UNDISTURBED: Final = frozenset[type]({Undoing, Recalling})
"""What goes on, whatever is given up around it."""

NONE: Final[dict[str, str]] = {}
"""No headers."""

LOOKS: Final = 64
"""How often a step looks something up by parts before it makes an index of all frames."""

Token = tuple[int, Stored, int]
"""Where a value is to go: the index of an operation, the value, the frame around."""


class Transition(msgspec.Struct, gc=False, eq=False):
    """What one step changes."""

    plan: Plan
    ops: tuple[Op, ...]
    state: State
    now: int
    frames: MutableMapping[int, Frame]
    next_frame: int
    chunks: tuple[bytes, ...]
    rows: list[Row]
    first: int
    """The step whose row is the first in `rows`."""
    errors: dict[int, Error]
    held: tuple[Held, ...]
    seen: tuple[str, ...]
    cause: dict[str, str]
    """The headers of the event that has caused it, or of the early message that was taken last on the way."""
    failing: dict[int, tuple[int, ...]]
    status: int = EXECUTING
    result: bytes | None = None
    error: Error | None = None
    effects: list[Effect] = []
    stack: list[Token] = []
    """Tokens that are to be driven, the next one last. One whose frame is gone is dropped."""
    failed: tuple[tuple[int, Row], ...] = ()
    """The steps through which the failure has gone that is on its way, each with the row that it had."""
    passed: tuple[int, ...] = ()
    """The frames through which the failure has gone that is on its way."""
    reopened: dict[int, list[Row]] | None = None
    """The chunks that were looked into, by their number: each is unpacked once a step, and packed once."""
    children: dict[int, list[int]] | None = None
    """The frames in each frame, and some that are gone, if that was asked."""
    timers: DueTimers | None = None
    """The timers that are due, while timers are fired."""
    awaited: Counter[tuple[str, str]] | None = None
    """How many steps wait by a computed key, by channel and key, if that was asked."""
    cancelled: set[int] | None = None
    """The tasks and children that this step has begun and given up: they are not ordered at all."""
    feeding: dict[int, int] | None = None
    """How many items of each for_each are to begin in this step."""
    rounds: int = 0
    """How many rounds of loops this step has begun."""
    copied: set[int] | None = None
    """The frames whose dictionaries this step has copied, and may change."""
    looks: int = 0
    """How often something was looked up by parts."""
    has_own_errors: bool = False
    """Whether `errors` is a copy of this step."""
    steps_failing: Counter[int] | None = None
    """How often each step is in `failing`, if `failing` is a copy of this step."""

    @staticmethod
    def of(plan: Plan, state: State, now: int, cause: dict[str, str] = NONE) -> Transition:
        """The transition that begins with a state."""
        frames = state.frames
        return Transition(
            plan,
            plan.ops,
            state,
            now if now > state.now else state.now,
            frames.copy() if type(frames) is ManyFrames else dict(frames),
            state.next_frame,
            state.chunks,
            state.rows.copy(),
            len(state.chunks) * CHUNK,
            state.errors,
            state.held,
            state.seen,
            cause,
            state.failing,
        )

    def close(self) -> tuple[State, tuple[Effect, ...]]:
        """The state that the step ends with, and what it asks for."""
        old, status, now, effects, frames = self.state, self.status, self.now, self.effects, self.frames
        if self.failing:
            for number in [number for number in self.failing if number not in self.frames]:
                self.over(number)
        chunks, rows = self.chunks, self.rows
        if self.reopened:
            chunks = with_chunks(chunks, self.reopened)
        if len(rows) >= OPEN_MAX:
            chunks, rows = packed(chunks, rows)
        if self.cancelled:
            effects = [one for one in effects if frame_of(one) not in self.cancelled]
        state = State(
            old.head,
            now,
            status,
            0 if status == EXECUTING else now,
            self.next_frame,
            frames if type(frames) is not ManyFrames and len(frames) <= MANY else in_parts(frames),
            rows,
            chunks,
            self.errors,
            self.held,
            self.seen,
            self.result,
            self.error,
            self.failing,
            old.journal,
        )
        return state, tuple(effects)

    # Frames.

    def add_frame(self, frame: Frame) -> int:
        """Add a frame; gives its number."""
        number = self.next_frame
        self.next_frame = number + 1
        self.frames[number] = frame
        if self.children is not None:
            self.children.setdefault(frame.parent, []).append(number)
        return number

    def count(self) -> int:
        """The next number; frames and undos are numbered in the order in which they come."""
        number = self.next_frame
        self.next_frame = number + 1
        return number

    def may_look(self) -> bool:
        """Whether this step may look something up by parts, where an index of all frames would not be worth it yet."""
        self.looks += 1
        return self.looks <= LOOKS

    def adopt(self, number: int, child: int, frame: Undoing | Recalling) -> None:
        """Something that is waited for belongs to another frame from now on."""
        if type(frame) is Undoing:
            self.frames[child] = Undoing(frame.op, number, frame.items, frame.ordered)
        elif type(frame) is Recalling:
            self.frames[child] = Recalling(frame.op, number, frame.child)
        if self.children is not None:
            self.children.setdefault(number, []).append(child)

    def item_suffix(self, number: int) -> str:
        """Which items of for_each a frame is in: `[2]`, `[0][7]`, or nothing."""
        return item_suffix(self.frames, number)

    def place(self, number: int) -> str:
        """Which items of for_each and rounds of loops a frame is in: `[2]#1.3`, or nothing."""
        return place_in(self.ops, self.frames, number)

    def may_change(self, number: int) -> bool:
        """Whether the dictionaries of a frame are a copy of this step; they are from now on."""
        if self.copied is None:
            self.copied = set()
        if number in self.copied:
            return True
        self.copied.add(number)
        return False

    # Orders.

    def is_ordered(self, number: int) -> bool:
        """Whether what a frame stands for was ordered by an earlier step."""
        return number < self.state.next_frame

    def cancel(self, number: int) -> None:
        """What this very step has ordered for a frame is not ordered at all."""
        if self.cancelled is None:
            self.cancelled = set()
        self.cancelled.add(number)

    # Timers.

    def timed(self, number: int, frame: Sleeping | Scoping) -> None:
        """A frame has a timer, or another one than it had."""
        if self.timers is not None:
            self.timers.add(number, frame)

    def next_timer(self) -> tuple[int, Sleeping | Scoping] | None:
        """The frame whose timer fires next, of those that are due; None if none is."""
        if self.timers is None:
            self.timers = DueTimers(self.ops, self.now, self.frames)
        return self.timers.pop(self.frames)

    # Messages.

    def drop_held(self, held: Held) -> None:
        """A kept message is taken or has expired."""
        self.held = tuple(one for one in self.held if one is not held)

    def take(self, id: str) -> None:
        """A message is taken: another of its id, or the same kept for another channel, will not be."""
        if id:
            self.seen = self.seen[1 - SEEN_MAX :] + (id,)  # noqa: RUF005  # half the cost of unpacking
            if self.held:
                self.held = tuple(one for one in self.held if one.message.id != id)

    # The outcome table.

    def row(self, slot: int) -> Row:
        """Status, times begun, begun at, ended at, of a step."""
        at = slot - self.first
        if at < 0:
            return self._reopen(slot)[slot % CHUNK]
        return self.rows[at] if at < len(self.rows) else NEVER

    def _reopen(self, slot: int) -> list[Row]:
        """The rows of the chunk in which a step is."""
        if self.reopened is None:
            self.reopened = {}
        number = slot // CHUNK
        if number not in self.reopened:
            self.reopened[number] = unpacked(self.chunks[number])
        return self.reopened[number]

    def begin(self, slot: int) -> int:
        """A step begins; gives how often it has begun by now."""
        rows = self.rows
        if slot - self.first == len(rows):  # it follows the last step that was reached, as most do
            rows.append((EXECUTING, 1, self.now, 0))
            return 1
        return self._begin(slot, EXECUTING, 0)

    def complete(self, slot: int) -> int:
        """A step begins and ends well at once; gives how often it has begun by now."""
        rows = self.rows
        if slot - self.first == len(rows):
            rows.append((COMPLETED, 1, self.now, self.now))
            return 1
        self._forgive(slot)
        return self._begin(slot, COMPLETED, self.now)

    def _begin(self, slot: int, status: int, ended: int) -> int:
        """A step begins again, or out of order."""
        begun = self.row(slot)[1] + 1
        self._put(slot, (status, begun, self.now, ended))
        return begun

    def reopen(self, slot: int) -> None:
        """A step that was noted as complete when it began has not ended yet."""
        _, begun, began, _ = self.row(slot)
        self._put(slot, (EXECUTING, begun, began, 0))

    def finish(self, slot: int, status: int = COMPLETED) -> None:
        """A step that has begun ends."""
        at = slot - self.first
        if at >= 0:
            rows = self.rows
            _, begun, began, _ = rows[at]
            rows[at] = (status, begun, began, self.now)
        else:
            _, begun, began, _ = self.row(slot)
            self._put(slot, (status, begun, began, self.now))
        if self.errors and status == COMPLETED:
            self._forgive(slot)

    def _put(self, slot: int, row: Row) -> None:
        at = slot - self.first
        if at < 0:
            self._reopen(slot)[slot % CHUNK] = row
            return
        self.rows += [NEVER] * (at + 1 - len(self.rows))
        self.rows[at] = row

    def _forgive(self, slot: int) -> None:
        """A step that has failed before ends well, unless another item still counts."""
        if slot in self.errors and not (self.failing and self._own_failing()[1][slot]):
            del self._own_errors()[slot]

    def fail(self, slot: int, error: Error) -> None:
        """A step that has begun ends badly."""
        self.failed = (*self.failed, (slot, self.row(slot)))
        self.finish(slot, FAILURE)
        self._own_errors()[slot] = error

    def _own_errors(self) -> dict[int, Error]:
        """The errors, which this step may change."""
        if not self.has_own_errors:
            self.errors, self.has_own_errors = self.errors.copy(), True
        return self.errors

    def answered(self, number: int) -> None:
        """A failure goes no further than a frame. Where that is in an item, or has items, its steps count as failed
        until the frame is gone, or `over`: their rows say what they said before, if that is that another item has
        completed them."""
        if not number or (type(self.frames[number]) is not Spreading and not self.item_suffix(number)):
            return
        while type(frame := self.frames[number]) is Scoping and _only_undoes(self.ops[frame.op]):
            number = frame.parent
        failing, count = self._own_failing()
        known = failing.get(number, ())
        new = tuple(slot for slot, _ in self.failed if slot not in known)
        failing[number] = known + new
        count.update(new)
        for slot, before in self.failed:
            if before[0] == COMPLETED:
                self._put(slot, before)

    def over(self, number: int) -> None:
        """What was answered within a frame counts no more."""
        failing, count = self._own_failing()
        slots = failing.pop(number, ())
        count.subtract(slots)
        for slot in slots:
            if self.row(slot)[0] == COMPLETED:
                self._forgive(slot)

    def _own_failing(self) -> tuple[dict[int, tuple[int, ...]], Counter[int]]:
        """A copy of `failing` that this step may change, and how often each step is in it."""
        if self.steps_failing is None:
            self.failing = self.failing.copy()
            self.steps_failing = Counter(slot for slots in self.failing.values() for slot in slots)
        return self.failing, self.steps_failing


def _only_undoes(op: Op) -> bool:
    """Whether it is a scope that answers nothing: it keeps undos, or has some, or hooks."""
    return isinstance(op, ops.Scope) and all(trigger.effect in (ops.BESIDE, ops.LATER) for trigger in op.triggers)
