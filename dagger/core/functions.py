"""Values on their way, and the user's functions that are called with them.

Every value that crosses a wait is bytes; `Stored` carries the bytes, and the loaded value where nothing can change it
in place. A function that must be pure is called here and nowhere else: whatever it raises, SystemExit and
KeyboardInterrupt too, is the failure of its step (`StepFailed`), and so is a change of its input in place. What is
stored and cannot be read in this release is no failure of the step (`CannotRead`): the event waits for a worker that
can read it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from dagger.codecs import TypeCodec
from dagger.core.state import Error
from dagger.errors import CodecError, DaggerError, DecodeError, kinds_of, message_of, name_of, traceback_of
from dagger.plan.ops import Op
from dagger.plan.shapes import Shape, Typed, Unreadable


class Unset(Enum):
    """Marks a value that is not loaded."""

    UNSET = 0


UNSET: Final = Unset.UNSET


class Stored(msgspec.Struct, gc=False, eq=False):
    """A value on its way: its bytes, and the loaded value where it may be kept."""

    raw: bytes
    live: Any = UNSET


class StepFailed(Exception):
    """A step fails with this error; caught where the token is driven."""

    def __init__(self, error: Error) -> None:
        self.error = error


class CannotRead(Exception):
    """What an instance keeps for a step is no value of its type in this release; it waits for one that can read it."""

    def __init__(self, op: Op, error: DecodeError) -> None:
        super().__init__(f"what is stored for step '{op.path}' cannot be read here: {error}")


def load(op: Op, stored: Stored) -> Any:
    """The value that goes into an operation; it is kept only where nothing can change it in place."""
    live = stored.live
    if live is not UNSET:
        return live
    shape = op.shape
    try:
        live = shape.revive(stored.raw)
    except Unreadable as error:
        raise CannotRead(op, error) from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    if shape.frozen:
        stored.live = live
    return live


def call_pure(op: Op, fn: Callable[..., Any], stored: Stored, shape: Shape, *more: Any) -> Any:
    """Call a function that must be pure; what it raises, or does to its input, fails the step."""
    try:
        value = stored.live
        if value is UNSET:  # `load`, without another call
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
        raise wrong(op, TypeError, f"its result does not fit: {message_of(error)}") from None
    except BaseException as error:  # of a user's own type
        raise StepFailed(error_of(error, op.path)) from None
    return Stored(raw, live if codec.frozen else UNSET)


def error_of(error: BaseException, path: str) -> Error:
    """The error of a pure function as data, whatever it raised: SystemExit and KeyboardInterrupt are errors too."""
    kinds = kinds_of(type(error))
    return Error(path, name_of(error), message_of(error), kinds, pure=True, traceback=traceback_of(error))


def wrong(op: Op, kind: type[Exception], text: str) -> StepFailed:
    """A step fails because of what a pure function gave; it would give the same again, so it is not tried again."""
    return StepFailed(Error(op.path, kind.__name__, text, kinds_of(kind), pure=True))


def took_longer(micros: int) -> str:
    """What the error of a timeout says."""
    seconds = micros / 1_000_000
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"took longer than {seconds / size:g} {unit}{'s' if seconds != size else ''}"
    return f"took longer than {seconds:g} s"
