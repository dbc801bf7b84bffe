"""The looks of an SVG: colours for light and dark, and the icons of steps. No font, script or file is needed.

Colours are variables of the drawing, so that a page which holds it may set its own: `--dagger-task: ...`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dagger.dsl.drawing.kinds import HUES, KINDS

STATUSES: Final = (
    "NOT_STARTED",
    "SUBMITTED",
    "EXECUTING",
    "COMPLETED",
    "FAILURE",
    "SKIPPED",
    "STOPPED",
)
"""What a step may be coloured by."""

NOTE_ICONS: Final[Mapping[str, str]] = {
    "timeout": "M8 3a5.5 5.5 0 1 0 0 11A5.5 5.5 0 0 0 8 3M8 5.6v3l1.9 1.1M6.2.9h3.6",
    "retry": "M13.4 8.6A5.5 5.5 0 1 1 11.6 4M11.9 1.2V4.3H8.8",
}
"""What is stroked beside a bound, on a square of 16."""

BADGES: Final[Mapping[str, str]] = {
    "SUBMITTED": "M4.6 8h.01M8 8h.01M11.4 8h.01",
    "EXECUTING": "M6.4 4.8 11.2 8l-4.8 3.2z",
    "COMPLETED": "M4.6 8.4 7 10.8l4.4-5.2",
    "FAILURE": "M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6",
    "SKIPPED": "M4.8 5 7.8 8l-3 3M8.4 5l3 3-3 3",
    "STOPPED": "M5.4 5.4h5.2v5.2H5.4z",
}
"""What tells a status without colour, on a disc of 16."""

_LIGHT: Final = {
    "page": "#ffffff",
    "card": "#ffffff",
    "panel": "#f8fafc",
    "edge": "#cbd5e1",
    "wire": "#94a3b8",
    "ink": "#0f172a",
    "soft": "#64748b",
    "completed": "#15803d",
    "executing": "#1d4ed8",
    "failure": "#dc2626",
    "stopped": "#b45309",
    "idle": "#94a3b8",
    "badge": "#ffffff",
}

_DARK: Final = {
    "page": "#0b1120",
    "card": "#172033",
    "panel": "#111a2c",
    "edge": "#334155",
    "wire": "#64748b",
    "ink": "#e2e8f0",
    "soft": "#94a3b8",
    "completed": "#4ade80",
    "executing": "#60a5fa",
    "failure": "#f87171",
    "stopped": "#fbbf24",
    "idle": "#64748b",
    "badge": "#0b1120",
}

_RULES: Final = """\
.dagger { color-scheme: light dark; --hue: var(--dagger-soft) }
.dagger text { fill: var(--dagger-ink); font-size: 13px;
  font-family: ui-sans-serif, system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif }
.dagger .page { fill: var(--dagger-page) }
.dagger .head { font-size: 18px; font-weight: 700 }
.dagger .name { font-weight: 600 }
.dagger .soft { fill: var(--dagger-soft); font-size: 11px }
.dagger .detail { fill: var(--dagger-soft); font-size: 11px;
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.dagger .middle { text-anchor: middle }
.dagger .tag { font-size: 11px; font-weight: 600; text-anchor: middle }
.dagger .icon { fill: none; stroke: var(--hue); stroke-width: 1.5; stroke-linecap: round;
  stroke-linejoin: round }
.dagger .icon.small { stroke: var(--dagger-soft) }
.dagger .tile { fill: var(--hue); fill-opacity: .14 }
.dagger .shape { fill: var(--dagger-card); stroke: var(--dagger-edge); stroke-width: 1.25 }
.dagger .panel > .shape { fill: var(--dagger-panel) }
.dagger .then > .shape { stroke-dasharray: 2 3 }
.dagger .switch > .shape, .dagger .match > .shape { stroke: var(--hue); stroke-width: 1.5 }
.dagger .label { fill: var(--dagger-page); stroke: var(--dagger-edge) }
.dagger .bar { fill: var(--dagger-wire) }
.dagger .wire { fill: none; stroke: var(--dagger-wire); stroke-width: 1.5 }
.dagger .dashed { stroke-dasharray: 5 4 }
.dagger .tip { fill: var(--dagger-wire) }
.dagger .COMPLETED { --state: var(--dagger-completed) }
.dagger .EXECUTING { --state: var(--dagger-executing) }
.dagger .FAILURE { --state: var(--dagger-failure) }
.dagger .STOPPED { --state: var(--dagger-stopped) }
.dagger .SKIPPED, .dagger .SUBMITTED, .dagger .NOT_STARTED { --state: var(--dagger-idle) }
.dagger .status > .shape, .dagger .status > .label { stroke: var(--state); stroke-width: 1.75 }
.dagger .status > .tint { fill: var(--state); fill-opacity: .1 }
.dagger .panel.status > .tint { fill-opacity: .06 }
.dagger .NOT_STARTED > *, .dagger .SKIPPED > * { opacity: .62 }
.dagger .NOT_STARTED > .shape, .dagger .SKIPPED > .shape { stroke-dasharray: 4 3; opacity: 1 }
.dagger .disc { fill: var(--state) }
.dagger .badge { fill: none; stroke: var(--dagger-badge); stroke-width: 1.75; stroke-linecap: round;
  stroke-linejoin: round }
@keyframes dagger-pulse { 50% { opacity: .35 } }
@media (prefers-reduced-motion: no-preference) {
  .dagger .EXECUTING > .disc { animation: dagger-pulse 1.6s ease-in-out infinite }
}"""


def css() -> str:
    """The style sheet; each rule is bound to the class of the drawing, for a page may hold other things."""
    light = {**_LIGHT, **{hue.name: hue.light for hue in HUES}}
    dark = {**_DARK, **{hue.name: hue.dark for hue in HUES}}
    hues = [f".dagger .{name} {{ --hue: var(--dagger-{kind.hue.name}) }}" for name, kind in KINDS.items() if kind.hue]
    night = ["@media (prefers-color-scheme: dark) {", *_colours(dark, "}")]
    return "\n".join([*_colours(light, ""), *hues, _RULES, *night])


def _colours(colours: Mapping[str, str], end: str) -> Iterator[str]:
    values = "; ".join(f"--dagger-{name}: {colour}" for name, colour in colours.items())
    yield f":where(.dagger) {{ {values} }}{end}"
