"""What holds of every stored state."""

from __future__ import annotations

from dagger.core.invariants import broken
from dagger.core.state import State
from dagger.plan import Plan


def check(plan: Plan, state: State) -> None:
    """Raises AssertionError with what does not hold."""
    found = broken(plan, state)
    assert not found, "; ".join(found)
