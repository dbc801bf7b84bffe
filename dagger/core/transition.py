"""The scratch pad of one step: a mutable copy of the state, closed into a new state when the step is done.

Nothing of a Transition outlives `step`; the state that it was made from is never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from dagger.codecs import TypeCodec
from dagger.core.effects import Effect
from dagger.core.envelope import trace_of
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    Error,
    Frame,
    Held,
    State,
)
from dagger.core.table import CHUNK, NEVER, OPEN_MAX, Row, packed, unpacked, with_chunks
from dagger.errors import CodecError, DaggerError, DecodeError, kinds_of, name_of, traceback_of, words_of
from dagger.plan.ops import Op
from dagger.plan.plan import Plan
from dagger.plan.shapes import Shape, Typed, Unreadable

SEEN_MAX: Final = 64
"""How many ids of taken messages an instance remembers."""

NONE: Final[dict[str, str]] = {}
"""No headers."""


class Unset(Enum):
    """Marks a value that is not loaded."""

    UNSET = 0


UNSET: Final = Unset.UNSET


class Stored(msgspec.Struct, gc=False, eq=False):
    """A value on its way: its bytes, and the loaded value where it may be kept."""

    raw: bytes
    live: Any = UNSET


Token = tuple[int, Stored, int]
"""Where a value is to go: the index of an operation, the value, the frame around."""


class StepFailed(Exception):
    """A step fails with this error; caught where the token is driven."""

    def __init__(self, error: Error) -> None:
        self.error = error


class CannotRead(Exception):
    """What an instance keeps for a step is no value of its type in this release; it waits for one that can read it."""

    def __init__(self, op: Op, error: DecodeError) -> None:
        super().__init__(f"what is stored for step '{op.path}' cannot be read here: {error}")


class Transition(msgspec.Struct, gc=False, eq=False):
    """What one step changes."""

    plan: Plan
    ops: tuple[Op, ...]
    state: State
    now: int
    frames: dict[int, Frame]
    next_frame: int
    chunks: tuple[bytes, ...]
    rows: list[Row]
    first: int
    """The step whose row is the first in `rows`."""
    errors: dict[int, Error]
    held: tuple[Held, ...]
    seen: tuple[str, ...]
    cause: dict[str, str]
    """The headers of the event that has caused it."""
    status: int = EXECUTING
    result: bytes | None = None
    error: Error | None = None
    effects: list[Effect] = []
    stack: list[Token] = []
    failing: dict[int, tuple[int, ...]] = {}
    failed: list[tuple[int, Row]] = []
    """The steps through which the failure has gone that is on its way, each with the row that it had."""
    reopened: dict[int, list[Row]] | None = None
    """The chunks that were looked into, by their number: each is unpacked once a transition, and packed once."""

    @staticmethod
    def of(plan: Plan, state: State, now: int, cause: dict[str, str] = NONE) -> Transition:
        """The transition that begins with a state."""
        return Transition(
            plan,
            plan.ops,
            state,
            now if now > state.now else state.now,
            state.frames.copy(),
            state.next_frame,
            state.chunks,
            state.rows.copy(),
            len(state.chunks) * CHUNK,
            state.errors,
            state.held,
            state.seen,
            cause,
            failing=state.failing,
        )

    def close(self) -> tuple[State, tuple[Effect, ...]]:
        """The state that the step ends with, and what it asks for."""
        old, status, now = self.state, self.status, self.now
        if self.failing:
            for number in [number for number in self.failing if number not in self.frames]:
                self.over(number)
        chunks, rows = self.chunks, self.rows
        if self.reopened:
            chunks = with_chunks(chunks, self.reopened)
        if len(rows) >= OPEN_MAX:
            chunks, rows = packed(chunks, rows)
        state = State(
            old.head,
            now,
            status,
            0 if status == EXECUTING else now,
            self.next_frame,
            self.frames,
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
        return state, tuple(self.effects)

    def add_frame(self, frame: Frame) -> int:
        """Add a frame; gives its number."""
        number = self.next_frame
        self.next_frame = number + 1
        self.frames[number] = frame
        return number

    def drop_held(self, held: Held) -> None:
        """A kept message is taken or has expired."""
        self.held = tuple(one for one in self.held if one is not held)

    def take(self, id: str) -> None:
        """A message is taken: another of its id, or the same kept for another channel, will not be."""
        if id:
            self.seen = self.seen[1 - SEEN_MAX :] + (id,)  # noqa: RUF005  # half the cost of unpacking
            if self.held:
                self.held = tuple(one for one in self.held if one.message.id != id)

    def trace(self) -> dict[str, str]:
        """The trace context of what has caused the step, where it has one, and else that of the instance."""
        return trace_of(self.cause) or trace_of(self.state.head.headers)

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
        if slot in self.errors and not any(slot in slots for slots in self.failing.values()):
            self.errors = {k: v for k, v in self.errors.items() if k != slot}

    def fail(self, slot: int, error: Error) -> None:
        """A step that has begun ends badly."""
        self.failed.append((slot, self.row(slot)))
        self.finish(slot, FAILURE)
        self.errors = {**self.errors, slot: error}

    def answered(self, number: int) -> None:
        """A failure in an item is answered: its steps count as failed until a frame is gone, or `over`.

        Their rows say what they said before, if that is that another item has completed them.
        """
        known = self.failing.get(number, ())
        new = tuple(slot for slot, _ in self.failed if slot not in known)
        self.failing = {**self.failing, number: known + new}
        for slot, before in self.failed:
            if before[0] == COMPLETED:
                self._put(slot, before)

    def over(self, number: int) -> None:
        """What was answered within a frame counts no more."""
        slots = self.failing.get(number, ())
        self.failing = {key: found for key, found in self.failing.items() if key != number}
        for slot in slots:
            if self.row(slot)[0] == COMPLETED:
                self._forgive(slot)


# User functions, and values on their way.


def look(stored: Stored, shape: Shape) -> Any:
    """The value of what is stored; kept only where nothing can change it in place."""
    live = stored.live
    if live is not UNSET:
        return live
    live = shape.revive(stored.raw)
    if shape.frozen:
        stored.live = live
    return live


def call_pure(op: Op, fn: Callable[..., Any], stored: Stored, shape: Shape, *more: Any) -> Any:
    """Call a function that must be pure; what it raises, or does to its input, fails the step."""
    try:
        value = stored.live
        if value is UNSET:  # `look`, without another call
            value = shape.revive(stored.raw)
            if shape.frozen:
                stored.live = value
        if not shape.guarded:
            return fn(value, *more)
        assert isinstance(shape, Typed)
        before = shape.codec.encode(value)
        result = fn(value, *more)
        after = shape.codec.encode(value)
    except Unreadable as error:
        raise CannotRead(op, error) from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    if before != after and not shape.codec.means_same(before, after):
        name = getattr(fn, "__name__", "the function")
        raise StepFailed(
            Error(
                op.path,
                "MutatedInput",
                f"'{name}' changed its input in place; return a changed copy instead",
                kinds_of(DaggerError),
                pure=True,
            )
        )
    return result


def store_result(op: Op, codec: TypeCodec[Any], value: Any) -> Stored:
    """Store what a function returned, by its declared type; a value that the type does not allow fails the step."""
    try:
        raw, live = codec.round_trip(value)
    except CodecError as error:
        text = f"its result does not fit: {words_of(error)}"
        raise StepFailed(Error(op.path, "TypeError", text, kinds_of(TypeError), pure=True)) from None
    except BaseException as error:  # of a user's own type
        raise StepFailed(error_of(error, op.path)) from None
    return Stored(raw, live if codec.frozen else UNSET)


def error_of(error: BaseException, path: str) -> Error:
    """The error of a pure function as data, whatever it raised: SystemExit and KeyboardInterrupt are errors too."""
    kinds = kinds_of(type(error))
    return Error(path, name_of(error), words_of(error), kinds, pure=True, traceback=traceback_of(error))


def took_longer(micros: int) -> str:
    """What the error of a timeout says."""
    seconds = micros / 1_000_000
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"took longer than {seconds / size:g} {unit}{'s' if seconds != size else ''}"
    return f"took longer than {seconds:g} s"
