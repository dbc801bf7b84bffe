"""The frames of an instance that has very many: what is asked of all of them with each event is known by parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import NamedTuple

from typing_extensions import override

from dagger.core.many import MANY, SHIFT, ManyTimed, Part
from dagger.core.state import TIMED, Frame, Running, Waiting


class Facts(NamedTuple):
    """What is known of the frames of a part."""

    due: int
    """When the first of their timers is due, in microseconds; 0 if none is."""
    busy: bool
    """Whether a task runs."""
    keys: frozenset[str]
    """What they wait for messages by."""


class ManyFrames(ManyTimed[Frame]):
    """Frames in parts. They are numbered as they come, so their order is that of their numbers."""

    __slots__ = ()

    @override
    def wakeup(self) -> tuple[int | None, bool]:
        due, busy = 0, False
        for part in self.parts.values():
            facts = part.facts or _facts(part)
            busy = busy or facts.busy
            if facts.due and (not due or facts.due < due):
                due = facts.due
        return due or None, busy

    def due(self, now: int) -> Iterator[tuple[int, Frame]]:
        """The frames beside which a timer is due, and these."""
        for part in self.parts.values():
            facts = part.facts or _facts(part)
            if 0 < facts.due <= now:
                yield from part.entries.items()

    def waiting(self, key: str) -> Iterator[tuple[int, Frame]]:
        """The frames beside which one waits for a message of the key, and these, in their order."""
        for part in self.parts.values():
            facts = part.facts or _facts(part)
            if key in facts.keys:
                yield from part.entries.items()

    def inside(self, number: int) -> Iterable[int]:
        """The frames directly inside of a frame: later ones, always."""
        first = number >> SHIFT
        return [
            child
            for place, part in self.parts.items()
            if place >= first
            for child in (part.children or _children(part)).get(number, ())
        ]


def _facts(part: Part[Frame]) -> Facts:
    due, busy, keys = 0, False, set[str]()
    for frame in part.entries.values():
        if type(frame) is Running:
            busy = True
        elif type(frame) is Waiting:
            keys.add(frame.key)
        elif isinstance(frame, TIMED) and frame.due and (not due or frame.due < due):
            due = frame.due
    facts = part.facts = Facts(due, busy, frozenset(keys))
    return facts


def _children(part: Part[Frame]) -> dict[int, list[int]]:
    """Which frames of a part are directly inside of a frame, here or elsewhere."""
    children = part.children = dict[int, list[int]]()
    for number, frame in part.entries.items():
        children.setdefault(frame.parent, []).append(number)
    return children


def in_parts(frames: MutableMapping[int, Frame]) -> MutableMapping[int, Frame]:
    """Frames as they are kept: in parts if they are very many."""
    if isinstance(frames, ManyFrames):
        return frames if len(frames) > MANY // 2 else dict(frames)
    return frames if len(frames) <= MANY else ManyFrames(frames)
