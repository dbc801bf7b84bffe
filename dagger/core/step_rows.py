"""How the steps of an instance stand: what the outcome table says, and where a step is in several items, the worst.

A row of the table holds the last word about its step. A step inside of a `for_each` is in many items at once, and what
one of them says last hides what becomes of the others. So there the frames are asked too: FAILURE while some item has
failed or waits for its next try, then EXECUTING while some item executes, then the last word.
"""

from __future__ import annotations

from dagger.core.state import EXECUTING, FAILURE, Ending, Item, State
from dagger.core.table import Row, rows_of
from dagger.plan import ops
from dagger.plan.plan import Plan


def step_rows(plan: Plan, state: State) -> list[Row]:
    """The row of each step of the template, with the status that it has over all items."""
    rows = rows_of(state.chunks, state.rows, len(plan.paths))
    for slot in _executing(plan, state):
        rows[slot] = (EXECUTING, *rows[slot][1:3], 0)
    for slots in state.failing.values():
        for slot in slots:
            rows[slot] = (FAILURE, *rows[slot][1:])
    return rows


def _executing(plan: Plan, state: State) -> set[int]:
    """The steps in which some item executes, where there are items."""
    found = set[int]()
    if not any(isinstance(frame, Item) for frame in state.frames.values()):
        return found
    seen = set[int]()
    for frame in state.frames.values():
        index = frame.op if type(frame) is not Ending else plan.ops[frame.op].owner
        while index >= 0 and index not in seen:
            seen.add(index)
            op = plan.ops[index]
            if type(op) is ops.Aside:  # what is around has ended
                break
            if op.slot >= 0:
                found.add(op.slot)
            index = op.owner
    return found
