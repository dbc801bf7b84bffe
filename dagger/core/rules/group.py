"""A group: branches side by side. It ends well once enough have, and fails once too few are left that still can."""

from __future__ import annotations

from typing import Final

from dagger.core.effects import Answered
from dagger.core.failing import note_failed
from dagger.core.functions import Stored
from dagger.core.kinds import Onward, Rules
from dagger.core.leaving import leave
from dagger.core.state import Error, Gathering, GoOn
from dagger.core.transition import Transition
from dagger.plan import ops
from dagger.plan.shapes import row, tagged


def entered(tr: Transition, op: ops.Fork, stored: Stored, parent: int) -> None:
    """All branches begin, in the order written, each as far as it goes before the next does."""
    if op.slot >= 0:
        tr.begin(op.slot)
    number = tr.add_frame(Gathering(op.index, parent, {}, {}))
    tr.stack.extend((start, stored, number) for start in reversed(op.branches))


def ended(tr: Transition, op: ops.Join, stored: Stored, parent: int) -> None:
    """A branch has ended well; with the last one that is needed, the group has."""
    group, fork = _group(tr, parent)
    group.done[op.number] = stored.raw
    if len(group.done) < fork.needed:
        return
    if fork.slot >= 0:
        tr.finish(fork.slot)
    leave(tr, parent, GoOn(fork.exit, _gathered(fork.kind, group.done)))


def failed(tr: Transition, number: int, group: Gathering, op: ops.Branch, error: Error, below: int) -> Onward | None:
    """The others go on, or the group fails as a whole."""
    group, fork = _group(tr, number)
    group.failed[op.number] = str(error)
    if len(group.failed) <= fork.spare:
        tr.answered(number)
        tr.effects.append(Answered(error, "the other branches"))
        if below:
            leave(tr, below, None)
        return None
    if fork.spare or fork.kind == "at_least":  # else one that fails decides
        error = _all_failed(fork, group.failed, error)
    note_failed(tr, fork, error)
    return fork.owner, group.parent, error


def _group(tr: Transition, number: int) -> tuple[Gathering, ops.Fork]:
    """The frame of a group, whose dictionaries this step may change, and its operation."""
    frame = tr.frames[number]
    assert isinstance(frame, Gathering)
    if not tr.may_change(number):
        frame = tr.frames[number] = Gathering(frame.op, frame.parent, frame.done.copy(), frame.failed.copy())
    op = tr.ops[frame.op]
    assert isinstance(op, ops.Fork)
    return frame, op


def _gathered(kind: str, done: dict[int, bytes]) -> bytes:
    if kind == "any":
        ((number, raw),) = done.items()
        return tagged(number, raw)
    if kind == "at_least":
        return row(tagged(number, done[number]) for number in sorted(done))
    return row(done[number] for number in sorted(done))


def _all_failed(fork: ops.Fork, reasons: dict[int, str], last: Error) -> Error:
    text = "; ".join(reasons[number] for number in sorted(reasons))
    need = "no branch succeeded" if fork.kind == "any" else f"fewer than {fork.needed} branches can succeed"
    return Error(fork.path, "AllFailed", f"{need}: {text}", last.kinds, last.pure, traceback=last.traceback)


RULES: Final = Rules(failed=failed)
