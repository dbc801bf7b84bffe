"""Where in an instance a step executes: its path, with the items of for_each and the rounds of loops around it."""

from __future__ import annotations

import re
from typing import Final

from dagger.core.head import Head
from dagger.core.rounds import rounds_suffix
from dagger.core.transition import Transition
from dagger.plan import ops
from dagger.plan.names import quoted

_ITEM: Final = re.compile(r"\[\d+\]").findall


def child_id(tr: Transition, op: ops.Op, parent: int) -> str:
    """The id of the child of a step; `parent` is the frame around it.

    The id of the parent is quoted once: that of a child, which is made of it, is not quoted again.
    """
    return child_of(tr.state.head, f"{item_path(tr, op, parent)}{rounds_suffix(tr.ops, tr.frames, parent)}")


def child_of(head: Head, place: str) -> str:
    """The id of the child of a step, by where it is in its parent."""
    return f"{quoted(head.id) if head.parent is None else head.id}/{place}"


def item_path(tr: Transition, op: ops.Op, parent: int) -> str:
    """The path of a step, with the number of the item after each for_each around it: `P/lines[1]/check`."""
    items: list[str] = _ITEM(tr.item_suffix(parent))
    path = op.path
    if not items:
        return path
    owner = op.owner
    while owner >= 0 and items:
        around = tr.ops[owner]
        if type(around) is ops.Spread:
            end = len(around.path)
            path = f"{path[:end]}{items.pop()}{path[end:]}"
        owner = around.owner
    return path
