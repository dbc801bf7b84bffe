"""What is known of an instance from the moment it begins, and never changes: the head of its state."""

from __future__ import annotations

import msgspec

from dagger.core.events import Parent, Submitted
from dagger.plan.names import quoted


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who an instance is, and what it was started with."""

    id: str
    template: str
    version: int
    key: str
    """The business key."""
    input: bytes
    """Stored by the template's input type."""
    created: int
    signature: int = 0
    """That of the plan with which it began: what the numbers of operations and rows in its state mean."""
    headers: dict[str, str] = {}
    """Those of the message or of the call that started it."""
    run: int = 1
    """Which run of this id it is."""
    parent: Parent | None = None
    """The step of another instance that started it."""

    @property
    def run_name(self) -> str:
        """What the ids of its messages and the keys of its tasks begin with; another one in each run."""
        return quoted(self.id) if self.run == 1 else f"{quoted(self.id)}#{self.run}"


def head_of(event: Submitted, created: int, signature: int) -> Head:
    """The head of an instance that begins with a submission."""
    one = event
    return Head(
        one.id, one.template, one.version, one.key, one.input, created, signature, one.headers, one.run, one.parent
    )
