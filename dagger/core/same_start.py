"""Whether a start that comes again is the same start."""

from __future__ import annotations

from typing import Protocol

from dagger.plan.plan import Plan


class Start(Protocol):
    """What an instance is started with: of a submission, or of the instance."""

    @property
    def template(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def input(self) -> bytes: ...


def is_same_start(plan: Plan, one: Start, other: Start) -> bool:
    """Whether two starts under one id are one start: of one template, with inputs that mean the same.

    `plan` is that of the template of one of them.
    """
    if (one.template, one.version) != (other.template, other.version):
        return False
    return plan.takes.means_same(one.input, other.input)
