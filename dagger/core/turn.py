"""The scratch pad of one step: a mutable copy of the state, closed into a new state when the step is done.

Nothing of a Turn outlives `step`; the state that it was made from is never changed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from dagger.codecs import TypeCodec
from dagger.core.effects import Effect
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    NOT_STARTED,
    ROW,
    UNSET,
    Error,
    Frame,
    Held,
    State,
    Stored,
)
from dagger.errors import CodecError, words_of
from dagger.plan.ops import Op
from dagger.plan.plan import Plan
from dagger.plan.shapes import Shape, Typed

SEEN_MAX: Final = 64
"""How many ids of taken messages an instance remembers."""

WIDTH: Final = ROW.size
END_AT: Final = struct.calcsize("<BIq")
"""Where in a row the time of the end stands."""
_ROW: Final = ROW.pack
_PACK: Final = ROW.pack_into
_END: Final = struct.Struct("<q").pack_into
_UNPACK: Final = ROW.unpack_from

Strand = tuple[int, Stored, int]
"""Where a value is to go: the index of an operation, the value, the frame around."""


class StepFailed(Exception):
    """A step fails with this error; caught where the strand is driven."""

    def __init__(self, error: Error) -> None:
        self.error = error


class Turn:
    """What one step changes."""

    __slots__ = (
        "effects",
        "error",
        "errors",
        "frames",
        "held",
        "next_frame",
        "now",
        "ops",
        "outcomes",
        "plan",
        "result",
        "seen",
        "stack",
        "state",
        "status",
    )

    def __init__(self, plan: Plan, state: State, now: int) -> None:
        self.plan = plan
        self.ops = plan.ops
        self.state = state
        self.now = now if now > state.now else state.now
        self.frames: dict[int, Frame] = dict(state.frames)
        self.next_frame = state.next_frame
        self.outcomes = bytearray(state.outcomes)
        self.errors = state.errors
        self.held: tuple[Held, ...] = state.held
        self.seen = state.seen
        self.status = EXECUTING
        self.result: bytes | None = None
        self.error: Error | None = None
        self.effects: list[Effect] = []
        self.stack: list[Strand] = []

    def close(self) -> tuple[State, tuple[Effect, ...]]:
        """The state that the step ends with, and what it asks for."""
        old = self.state
        state = State(
            old.id,
            old.template,
            old.version,
            old.key,
            old.input,
            old.created,
            self.now,
            self.status,
            0 if self.status == EXECUTING else self.now,
            self.next_frame,
            self.frames,
            bytes(self.outcomes),
            self.errors,
            self.held,
            self.seen,
            self.result,
            self.error,
        )
        return state, tuple(self.effects)

    def park(self, frame: Frame) -> int:
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
            self.seen = (*self.seen[1 - SEEN_MAX :], id)
            self.held = tuple(one for one in self.held if one.id != id)

    # The outcome table.

    def row(self, slot: int) -> tuple[int, int, int, int]:
        """Status, times begun, begun at, ended at, of a step."""
        at = slot * WIDTH
        return _UNPACK(self.outcomes, at) if at < len(self.outcomes) else (NOT_STARTED, 0, 0, 0)

    def begin(self, slot: int) -> int:
        """A step begins; gives how often it has begun by now."""
        table = self.outcomes
        at = slot * WIDTH
        if at == len(table):
            table += _ROW(EXECUTING, 1, self.now, 0)
            return 1
        if at > len(table):
            table.extend(bytes(at + WIDTH - len(table)))
        begun: int = _UNPACK(table, at)[1] + 1
        _PACK(table, at, EXECUTING, begun, self.now, 0)
        return begun

    def finish(self, slot: int, status: int) -> None:
        """A step that has begun ends."""
        at = slot * WIDTH
        self.outcomes[at] = status
        _END(self.outcomes, at + END_AT, self.now)
        if self.errors and status == COMPLETED and slot in self.errors:
            self.errors = {k: v for k, v in self.errors.items() if k != slot}

    def fail(self, slot: int, error: Error) -> None:
        """A step that has begun ends badly."""
        self.finish(slot, FAILURE)
        self.errors = {**self.errors, slot: error}


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
    value = stored.live
    try:
        if value is UNSET:
            value = look(stored, shape)
        if shape.frozen or not isinstance(shape, Typed):
            return fn(value, *more)
        before = shape.codec.encode(value)
        result = fn(value, *more)
        after = shape.codec.encode(value)
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    if before != after:
        name = getattr(fn, "__name__", "the function")
        raise StepFailed(
            Error(
                op.path,
                "MutatedInput",
                f"'{name}' changed its input in place; return a changed copy instead",
                pure=True,
            )
        )
    return result


def settle(op: Op, codec: TypeCodec[Any], value: Any) -> Stored:
    """Store what a function returned, by its declared type; a value that the type does not allow fails the step."""
    try:
        raw, live = codec.settle(value)
    except CodecError as error:
        raise StepFailed(Error(op.path, "TypeError", f"its result does not fit: {error}", pure=True)) from None
    return Stored(raw, live if codec.frozen else UNSET)


def error_of(error: BaseException, path: str) -> Error:
    """The error of a pure function as data, SystemExit and the like too; only an interrupt goes on."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    return Error(path, type(error).__name__, words_of(error), kinds_of(type(error)), pure=True)


def kinds_of(kind: type[BaseException]) -> tuple[str, ...]:
    """Qualified names of an exception class and its bases."""
    return tuple(f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__[:-1])
