"""The rules of the language, one file for each kind of frame; `dagger/core/kinds.py` says what they are."""

from collections.abc import Callable
from typing import Any, Final

from dagger.core.functions import Stored
from dagger.core.kinds import RULES, Rules
from dagger.core.rules import calling, each, ending, group, passing, publishing, running, scope, sleeping, waiting
from dagger.core.state import (
    Calling,
    Ending,
    Gathering,
    Item,
    Recalling,
    Running,
    Scoping,
    Sleeping,
    Spreading,
    Undoing,
    Waiting,
)
from dagger.core.transition import Token, Transition
from dagger.plan import ops

OPERATIONS: Final[dict[type[ops.Op], Callable[[Transition, Any, Stored, int], Token | None]]] = {
    ops.Publish: publishing.publish,
    ops.Listen: waiting.entered,
    ops.Task: running.entered,
    ops.Pause: sleeping.entered,
    ops.Call: calling.entered,
    ops.Apply: passing.apply,
    ops.Retype: passing.retype,
    ops.Scope: scope.entered,
    ops.Close: scope.ended,
    ops.HandOver: waiting.handed_over,
    ops.Done: ending.ended,
    ops.Fork: group.entered,
    ops.Branch: passing.branch,
    ops.Join: group.ended,
    ops.Choose: passing.choose,
    ops.Merge: passing.merge,
    ops.Spread: each.entered,
    ops.Gather: each.ended,
    ops.Lose: each.lost,
    ops.End: passing.end,
}
"""What an operation does with a token that has come to it: it gives the token as it goes on, or None."""

RULES.update({
    Waiting: waiting.RULES,
    Running: running.RULES,
    Sleeping: sleeping.RULES,
    Scoping: scope.RULES,
    Gathering: group.RULES,
    Spreading: Rules(),  # nothing fails or waits in it but its items
    Item: each.RULES,
    Ending: Rules(),  # nothing is directly in it but what it waits for
    Undoing: ending.RULES,
    Calling: calling.RULES,
    Recalling: Rules(),  # it is not given up: it waits for what was
})  # fmt: skip
