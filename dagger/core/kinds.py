"""What the rules of a kind of frame are, and where they are found.

A frame is where a value stays from one event to the next: at a leaf that waits, or at a composite that other steps are
inside of. Each kind of frame has one file of rules, which answer six questions about it:

| rule | question |
|---|---|
| `entered` | a token has come to the operation that opens the frame: what now? |
| `ended` | what is directly inside has ended well, and its token has come to the closing operation |
| `failed` | what is directly inside has failed: is that answered here, or does the failure go on? |
| `due` | its timer fires |
| `stopped` | what it is in is given up |
| `heard` | a message has come that it waits for |

`entered` and `ended` belong to an operation, and are found by its type in `OPERATIONS` (see `rules/__init__.py`),
beside those of the operations that have no frame (`passing.py`, `publishing.py`). The other four are found here, by
the type of the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dagger.core.state import Error, Frame
from dagger.core.transition import Token, Transition

Onward = tuple[int, int, Error]
"""Where a failure goes next: the operation and the frame around, and the error."""


def _holds_nothing(tr: Transition, number: int, frame: Any, op: Any, error: Error, below: int) -> Onward | None:
    raise AssertionError(f"nothing is inside of a {type(frame).__name__}")


def _has_no_timer(tr: Transition, number: int, frame: Any) -> Token | None:
    raise AssertionError(f"a {type(frame).__name__} has no timer")


def _nothing_more(tr: Transition, number: int, frame: Any) -> None:
    """Its frame is gone, and that is all."""


def _hears_nothing(tr: Transition, number: int, frame: Any, payload: bytes) -> Token | None:
    raise AssertionError(f"a {type(frame).__name__} waits for no message")


class Rules(NamedTuple):
    """The rules of a kind of frame that are found by the frame. `number` is that of the frame."""

    failed: Callable[[Transition, int, Any, Any, Error, int], Onward | None] = _holds_nothing
    """Gets the operation around what has failed, the error, and the frame directly inside through which the failure has
    come, or 0. Gives where the failure goes next, or None if it was answered."""
    due: Callable[[Transition, int, Any], Token | None] = _has_no_timer
    stopped: Callable[[Transition, int, Any], None] = _nothing_more
    """The frame is gone already; its steps are noted as STOPPED by who asks."""
    heard: Callable[[Transition, int, Any, bytes], Token | None] = _hears_nothing


RULES: Final[dict[type[Frame], Rules]] = {}
"""The rules of every kind of frame; filled by `rules/__init__.py`, so that rules may use what uses them."""
