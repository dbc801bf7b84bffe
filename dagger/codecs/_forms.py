"""How values are stored where msgspec alone can't: a type that it can read in place of the declared one.

A union of several classes, for instance, is read as a struct with one optional field for each member. So
msgspec still reads all the bytes in one pass, by its own rules and with its own paths; only then are the
values that were declared made of what was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from ._models import reason as pydantic_reason

Turn = Callable[[Any], Any]

_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$")


@dataclass(slots=True)
class Form:
    """`wire` is the type that msgspec reads, `dump` makes what it writes, `revive` the value of what it read.

    A form is known before it is filled in, so that a class may contain itself.
    """

    wire: Any
    dump: Turn
    revive: Turn

    @property
    def is_native(self) -> bool:
        """Whether msgspec reads and writes the declared type itself."""
        return self.dump is same


def same(value: Any) -> Any:
    """What a native form does with a value."""
    return value


class Misread(Exception):
    """What was read is no value of the type: why, and the path to the part at fault (`.lines[0]`)."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(f"{why} - at `${path}`" if path else why)
        self.why, self.path = why, path


def misread(error: Exception) -> Misread:
    """Any failure of a load."""
    if isinstance(error, Misread):
        return error
    if isinstance(error, RecursionError):
        return Misread("nested too deeply")
    if isinstance(error, msgspec.MsgspecError):
        why, path, _ = [*_MSGSPEC_PATH.split(str(error)), "", ""][:3]
        return Misread(why, path)
    if hasattr(error, "errors"):
        return Misread(*pydantic_reason(error))
    return Misread(f"{type(error).__name__}: {error}")


def revived(revive: Turn, part: Any, path: str) -> Any:
    """A part made of what was read; raises `Misread` with the path of the part."""
    try:
        return revive(part)
    except RecursionError:
        raise
    except Exception as error:
        inner = misread(error)
        raise Misread(inner.why, path + inner.path) from error


def revived_items(revive: Turn, parts: Iterable[Any]) -> list[Any]:
    """The items of an array."""
    return [revived(revive, part, f"[{i}]") for i, part in enumerate(parts)]
