"""What is run because something was given up: hooks of what was stopped, undos of what had completed.

It is run in a frame of its own, inside of the `Ending` that orders it (`leaving.py`). If it fails, that is recorded
at its path, and what is left goes on as if it had ended well.
"""

from __future__ import annotations

from typing import Final

from dagger.core.effects import Answered
from dagger.core.functions import Stored
from dagger.core.kinds import Rules
from dagger.core.leaving import leave, undone
from dagger.core.state import Error, Undoing
from dagger.core.transition import Transition
from dagger.plan import ops


def ended(tr: Transition, op: ops.Done, stored: Stored, parent: int) -> None:
    """It has ended well."""
    undone(tr, tr.frames.pop(parent).parent)


def failed(tr: Transition, number: int, frame: Undoing, op: ops.Aside, error: Error, below: int) -> None:
    """It fails, and nothing but that."""
    tr.effects.append(Answered(error, "what else is undone"))
    leave(tr, number, None)


RULES: Final = Rules(failed=failed)
