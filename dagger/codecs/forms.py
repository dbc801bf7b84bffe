"""How values are stored where msgspec alone can't: by a type that it can read in place of the declared one.

A union of several classes, for instance, is read as a struct with an optional field for each member. So
msgspec still reads all the bytes in one pass, by its own rules and with its own paths. Then the declared
values are built from the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from dagger.codecs.models import complaint

Convert = Callable[[Any], Any]

_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$")


@dataclass(slots=True)
class Form:
    """`wire` is the type that msgspec reads, `dump` prepares a value for it, `revive` converts what it has read.

    In a native form, which is msgspec's own, both return their argument. A form exists before it is complete, so
    that a class may contain itself.
    """

    wire: Any
    dump: Convert
    revive: Convert
    native: bool = False


def native_form(declared: Any) -> Form:
    """The form of a type that msgspec supports itself."""
    return Form(declared, _same, _same, native=True)


def _same(value: Any) -> Any:
    return value


class Misread(Exception):
    """The bytes are not a value of the type: the reason, and the path to the part at fault (`.lines[0]`)."""

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
    return Misread(*(complaint(error) or (f"{type(error).__name__}: {error}", "")))


def revived(form: Form, read: Any, path: str) -> Any:
    """The value of a part that was read; raises `Misread` with the path of the part."""
    try:
        return form.revive(read)
    except RecursionError:
        raise
    except Exception as error:
        inner = misread(error)
        raise Misread(inner.why, path + inner.path) from error


def revived_items(form: Form, read: Iterable[Any]) -> list[Any]:
    """The values of the items of an array."""
    return [revived(form, item, f"[{i}]") for i, item in enumerate(read)]
