"""How each kind of step is drawn: the one table that all drawings read.

The names of kinds are those of `StepState.kind`, where a step has a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Hue:
    """The colours of a kind: of an outline, a light fill and a text on it, and of an SVG on a light and a dark page.

    `name` is what a page that holds an SVG sets the colour by: `--dagger-task: ...`.
    """

    name: str
    stroke: str
    fill: str
    ink: str
    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind of step, or of what holds steps together.

    `title` is the kind as text. `link` stands between the name of a step and its topic, signal, pause or version;
    `about` is what an SVG says of a step that has none of these, where that is not the title.
    `icon` is stroked on a square of 16. `dot` and `mermaid` are the form of a vertex in these languages.
    """

    title: str
    link: str = ""
    hue: Hue | None = None
    icon: str = ""
    dot: str = "shape=box"
    mermaid: tuple[str, str] = ("[", "]")
    about: str = ""
    final: bool = False
    """Whether nothing follows it."""


_COMMAND: Final = Hue("command", "#4f46e5", "#e0e7ff", "#1e1b4b", "#4f46e5", "#a5b4fc")
_LISTENER: Final = Hue("listener", "#0d9488", "#ccfbf1", "#042f2e", "#0d9488", "#5eead4")
_SIGNAL: Final = Hue("signal", "#d97706", "#fef3c7", "#451a03", "#b45309", "#fcd34d")
_TASK: Final = Hue("task", "#2563eb", "#dbeafe", "#172554", "#2563eb", "#93c5fd")
_TIMER: Final = Hue("timer", "#7c3aed", "#ede9fe", "#2e1065", "#7c3aed", "#c4b5fd")
_SWITCH: Final = Hue("switch", "#ea580c", "#ffedd5", "#431407", "#c2410c", "#fdba74")
_WORKFLOW: Final = Hue("workflow", "#db2777", "#fce7f3", "#500724", "#be185d", "#f9a8d4")

_PLANE: Final = "M14.2 1.8 1.8 6.6l5.2 2.4 2.4 5.2zM14.2 1.8 7 9"
_TRAY: Final = "M8 1.5v7.2M4.9 5.8 8 8.9l3.1-3.1M1.8 9.5v4.7h12.4V9.5"
_WAVES: Final = (
    "M8 8h.01M5.6 10.4a3.4 3.4 0 0 1 0-4.8M10.4 5.6a3.4 3.4 0 0 1 0 4.8"
    "M3.2 12.8a6.8 6.8 0 0 1 0-9.6M12.8 3.2a6.8 6.8 0 0 1 0 9.6"
)
_CODE: Final = "M4.8 4.2 1.2 8l3.6 3.8M11.2 4.2 14.8 8l-3.6 3.8M9.4 2.6 6.6 13.4"
_CLOCK: Final = "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M8 4.2V8l2.6 1.6"
_FUNCTION: Final = "M11.8 2.6c-2.2-.9-3.2.2-3.6 2.2L6.7 11.6c-.4 1.8-1.4 2.6-3 1.9M4.6 6.8h6"
_CROSS: Final = "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"
_SHEETS: Final = "M1.8 1.8h8.4v8.4H1.8zM13 5.8h1.2v8.4H5.8V13"

_ROUND: Final = 'shape=box, style="rounded,filled"'
_OVAL: Final = "shape=ellipse, style=filled"
_BAR: Final = "shape=box, style=filled, height=0.1"

KINDS: Final[Mapping[str, StepKind]] = {
    "start": StepKind("start", dot=_ROUND, mermaid=("([", "])")),
    "end": StepKind("end", dot=_ROUND, mermaid=("((", "))")),
    "command": StepKind("command", "→", _COMMAND, _PLANE, mermaid=("[/", "/]")),
    "listener": StepKind("listener", "←", _LISTENER, _TRAY, mermaid=("[\\", "\\]")),
    "signal": StepKind("signal", "←", _SIGNAL, _WAVES, "shape=note, style=filled", (">", "]")),
    "task": StepKind("task", "", _TASK, _CODE),
    "sleep": StepKind("sleep", "for", _TIMER, _CLOCK, _OVAL, ("([", "])")),
    "wait_until": StepKind("wait until", "", _TIMER, _CLOCK, _OVAL, ("([", "])")),
    "then": StepKind("then", "", None, _FUNCTION, "shape=plaintext, style=solid", ("(", ")"), "pure function"),
    "pure": StepKind("pure", "", None, _FUNCTION, "shape=plaintext, style=solid", ("(", ")"), "pure function"),
    "fail": StepKind("fail", "", None, _CROSS, "shape=octagon", ("{{", "}}"), final=True),
    "workflow": StepKind("workflow", "version", _WORKFLOW, _SHEETS, "shape=box3d, style=filled", ("[[", "]]")),
    "switch": StepKind("switch", "", _SWITCH, dot="shape=diamond, style=filled", mermaid=("{", "}")),
    "match": StepKind("match", "", _SWITCH, dot="shape=diamond, style=filled", mermaid=("{", "}")),
    "process": StepKind("process"),
    "for_each": StepKind("for each"),
    "repeat": StepKind("repeat"),
    "skippable": StepKind("skippable"),
    "steps": StepKind("steps"),
    "fork": StepKind("fork", dot=_BAR, mermaid=("{{", "}}")),
    "join": StepKind("join", dot=_BAR, mermaid=("{{", "}}")),
}
"""Every kind by its name."""

HUES: Final = tuple({kind.hue.name: kind.hue for kind in KINDS.values() if kind.hue is not None}.values())
"""The hues, each once."""
