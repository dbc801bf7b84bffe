"""The text of a template: what `str(template)` prints.

OrderWorkflow, version 1, from Order
└─ process PAYMENT, timeout 1h
   ├─ command charge → PAYMENT_COMMAND
   └─ listener paid ← PAYMENT_LISTENER
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from dagger.dsl.drawing.elements import (
    Box,
    BranchElement,
    Decision,
    Element,
    Elements,
    Figure,
    ForkElement,
    Frame,
    WithSides,
    one_line,
)
from dagger.dsl.drawing.figure import figure_of
from dagger.dsl.nodes import Workflow

Entry: TypeAlias = Element | BranchElement
"""What has a line of its own."""


def tree(node: Workflow) -> str:
    """A template as lines of text: a line a step, by kind, name and topic."""
    return "\n".join(_lines(figure_of(node)))


def _lines(figure: Figure) -> Iterator[str]:
    yield f"{figure.title}, from {figure.takes}"
    yield from _below(figure.body, "")


def _below(entries: tuple[Entry, ...], indent: str) -> Iterator[str]:
    for number, entry in enumerate(entries, start=1):
        last = number == len(entries)
        yield f"{indent}{'└─' if last else '├─'} {_line(entry)}"
        yield from _below(_inside(entry), indent + ("   " if last else "│  "))


def _line(entry: Entry) -> str:
    match entry:
        case BranchElement(kind=kind, value=value):
            return f"{kind} {value}".strip()
        case WithSides(main=main):
            return one_line(main)
        case Box() | Frame() | ForkElement() | Decision():
            return one_line(entry)


def _inside(entry: Entry) -> tuple[Entry, ...]:
    match entry:
        case Box():
            return ()
        case Frame(body=body) | BranchElement(body=body):
            return body
        case ForkElement(branches=branches):
            return tuple([_branch(branch) for branch in branches])
        case Decision(branches=branches):
            return branches
        case WithSides(main=main, sides=sides):
            return (*_inside(main), *sides)


def _branch(run: Elements) -> Entry:
    """A branch: its one step, or its steps below a line that holds them together."""
    return run[0] if len(run) == 1 else Frame("steps", "", None, run)
