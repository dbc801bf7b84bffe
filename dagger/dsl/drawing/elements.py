"""What drawings are made of: a few elements with their texts and paths, and one line of text for each.

`figure.py` makes them of a template; the text tree, the graph and the SVG are interpreters of them. The `kind` of an
element is a name of `kinds.KINDS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from dagger.dsl.drawing.kinds import KINDS

_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Note:
    """A bound or an option: `timeout 5m`, `retry 3 attempts`; `more` is for where there is room."""

    kind: str
    text: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A step. A pure function has no path, for it has no state to show."""

    kind: str
    name: str
    path: str | None
    detail: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """Steps that belong together: a process, a parallel body, or what is bound as one."""

    kind: str
    name: str
    path: str | None
    body: Elements
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ForkElement:
    """Branches side by side, and the rule by which they join: `all`, `any`, `at least 2`."""

    rule: str
    name: str
    path: str | None
    branches: tuple[Elements, ...]

    @property
    def label(self) -> str:
        """What stands where they part."""
        return f"{self.rule} of {self.name}" if self.name else self.rule


@dataclass(frozen=True, slots=True)
class BranchElement:
    """A branch that is not always taken: a `case` with its value, `otherwise`, `on failure`."""

    kind: str
    value: str
    body: Elements
    returns: bool = True
    """Whether the flow goes on after it: not after what undoes."""

    @property
    def label(self) -> str:
        """What stands on its edge."""
        return self.value or self.kind


@dataclass(frozen=True, slots=True)
class Decision:
    """A switch, or a match."""

    name: str
    path: str | None
    branches: tuple[BranchElement, ...]
    kind: str = "switch"

    @property
    def label(self) -> str:
        """What stands on it."""
        return self.name or self.kind


@dataclass(frozen=True, slots=True)
class WithSides:
    """A step, and the branches that answer in its place or undo it."""

    main: Box | Frame
    sides: tuple[BranchElement, ...]


Element: TypeAlias = Box | Frame | ForkElement | Decision | WithSides
Elements: TypeAlias = tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A whole template."""

    name: str
    version: int
    takes: str
    body: Elements

    @property
    def title(self) -> str:
        """The head of a drawing."""
        return f"{self.name}, version {self.version}"


def printable(text: str) -> str:
    """A text that is one line, and that UTF-8 and XML can hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def notes_text(notes: tuple[Note, ...], *, brief: bool = False) -> str:
    """Notes as text: `timeout 5m, retry 3 attempts (after 1s ×2 up to 1m)`."""
    return ", ".join(
        f"{note.kind} {note.text}" + (f" ({note.more})" if note.more and not brief else "") for note in notes
    )


def target_text(box: Box) -> str:
    """The topic, signal, pause or version of a step, with the word before it; empty where there is none."""
    return f"{KINDS[box.kind].link} {box.detail}".strip()


def one_line(element: Box | Frame | ForkElement | Decision) -> str:
    """An element as one line: `command charge → PAYMENT_COMMAND`."""
    match element:
        case Box(kind=kind, name=name, notes=notes):
            return ", ".join(
                filter(
                    None, [" ".join(filter(None, [KINDS[kind].title, name, target_text(element)])), notes_text(notes)]
                )
            )
        case Frame(kind=kind, name=name, notes=notes):
            return ", ".join(filter(None, [f"{KINDS[kind].title} {name}".strip(), notes_text(notes)]))
        case ForkElement(rule=rule, name=name):
            return f"{rule} of {name}".strip()
        case Decision(kind=kind, name=name):
            return f"{kind} {name}".strip()
