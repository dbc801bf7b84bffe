"""Which rounds of loops a frame is in: what gives the calls and children of each round names of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dagger.core.state import Frame, Item, Scoping, Undoing
from dagger.plan import ops
from dagger.plan.ops import Op


def rounds_suffix(table: Sequence[Op], frames: Mapping[int, Frame], number: int) -> str:
    """The rounds of the loops around a frame, the outermost first, each from 1: `#2.3`, or nothing."""
    _, mark, rounds = place_in(table, frames, number).partition("#")
    return mark + rounds


def place_in(table: Sequence[Op], frames: Mapping[int, Frame], number: int) -> str:
    """The items of for_each that a frame is in, and then the rounds of loops: `[2]#1.3`, or nothing.

    Both begin with the outermost. The template says how they are nested, so that no two places have the same.
    """
    items, rounds = "", list[str]()
    while number:
        frame = frames[number]
        if type(frame) is Item:
            items = f"[{frame.number}]{items}"
        elif type(frame) is Scoping:
            op = table[frame.op]
            if type(op) is ops.Scope and op.loops:
                rounds.append(str(frame.attempt))
        elif type(frame) is Undoing:
            outer, _, before = frame.items.partition("#")
            items = outer + items
            rounds += reversed(before.split(".")) if before else []
            break
        number = frame.parent
    return f"{items}#{'.'.join(reversed(rounds))}" if rounds else items
