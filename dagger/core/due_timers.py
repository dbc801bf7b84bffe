"""The timers that are due in one step, in the order in which they fire."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

from dagger.core.frames import ManyFrames
from dagger.core.state import Frame, Scoping, Sleeping
from dagger.plan import ops
from dagger.plan.ops import Op


class DueTimers:
    """A heap of the timers that are due, and of some that are due no more, while timers are fired."""

    __slots__ = ("_heap", "_now", "_ops")

    def __init__(self, table: tuple[Op, ...], now: int, frames: Mapping[int, Frame]) -> None:
        self._ops = table
        self._now = now
        self._heap = [
            timer
            for number, frame in (frames.due(now) if type(frames) is ManyFrames else frames.items())
            if isinstance(frame, Sleeping | Scoping) and (timer := self._timer_of(number, frame)) is not None
        ]
        heapify(self._heap)

    def add(self, number: int, frame: Sleeping | Scoping) -> None:
        """A frame has a timer, or another one than it had."""
        if (timer := self._timer_of(number, frame)) is not None:
            heappush(self._heap, timer)

    def pop(self, frames: Mapping[int, Frame]) -> tuple[int, Sleeping | Scoping] | None:
        """The frame whose timer fires next; None if none is due."""
        while self._heap:
            due, _, number = heappop(self._heap)
            frame = frames.get(abs(number))
            if isinstance(frame, Sleeping | Scoping) and frame.due == due:
                return abs(number), frame
        return None

    def _timer_of(self, number: int, frame: Sleeping | Scoping) -> tuple[int, bool, int] | None:
        """Where a timer that is due stands in the order: what ends well first, in the order in which it began; then
        the bounds that run out, innermost first."""
        if not 0 < frame.due <= self._now:
            return None
        runs_out = type(frame) is Scoping and is_bound(self._ops[frame.op])
        return frame.due, runs_out, -number if runs_out else number


def is_bound(op: Op) -> bool:
    """Whether it is a bound whose time can run out."""
    return isinstance(op, ops.Scope) and any(type(trigger.when) is ops.After for trigger in op.triggers)
