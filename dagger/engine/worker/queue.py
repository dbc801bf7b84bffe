"""The queue of calls: in order, and fair between instances.

Calls of one kind wait in a pool: those of async functions, those of functions that need a thread, and those of each
`Limit`. A pool that is blocked does not block another. In a pool, instances take turns, and the calls of one instance
keep their order: an instance with 5,000 items does not delay the first call of another.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from dagger.dsl.values import Limit

SECOND: Final = 1_000_000


class QueuedCall(Protocol):
    """A call that waits, identified by its instance and its frame."""

    @property
    def id(self) -> str: ...
    @property
    def frame(self) -> int: ...


W = TypeVar("W", bound=QueuedCall)

Pool: TypeAlias = tuple[str, bool]
"""The name of a limit, empty for none, and whether a thread is needed."""


class Queue(Generic[W]):
    """The waiting calls, by pool, instance and frame."""

    def __init__(self) -> None:
        self._pools: OrderedDict[Pool, OrderedDict[str, OrderedDict[int, W]]] = OrderedDict()

    @property
    def pools(self) -> Iterator[Pool]:
        """The pools that are not empty; the one that was served last comes last."""
        return iter(self._pools)

    def add(self, pool: Pool, call: W) -> None:
        """Add a call behind the others of its instance."""
        self._pools.setdefault(pool, OrderedDict()).setdefault(call.id, OrderedDict())[call.frame] = call

    def remove(self, pool: Pool, call: W) -> None:
        """Remove a call, if it waits."""
        instances = self._pools.get(pool)
        calls = None if instances is None else instances.get(call.id)
        if instances is not None and calls is not None and calls.pop(call.frame, None) is not None and not calls:
            del instances[call.id]
            self._close(pool)

    def pop(self, pool: Pool) -> W:
        """The next call of a pool that is not empty."""
        instances = self._pools[pool]
        id, calls = instances.popitem(last=False)
        _, call = calls.popitem(last=False)
        if calls:
            instances[id] = calls
        self._pools.move_to_end(pool)
        self._close(pool)
        return call

    def clear(self) -> list[W]:
        """Empty the queue; returns the calls that waited."""
        left = [call for found in self._pools.values() for calls in found.values() for call in calls.values()]
        self._pools.clear()
        return left

    def _close(self, pool: Pool) -> None:
        if not self._pools[pool]:
            del self._pools[pool]


class Limiter:
    """How many calls one Limit admits."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.running = 0
        rate = limit.per_second
        count = 1 if rate is None else max(1, int(rate))
        self._span = 0 if rate is None else round(count * SECOND / rate)
        self._begun: deque[int] = deque(maxlen=count)

    def next_start(self, now: int) -> int | None:
        """When the next call may begin, in microseconds; None if a call has to end first."""
        most, begun = self.limit.concurrency, self._begun
        if most is not None and self.running >= most:
            return None
        return begun[0] + self._span if self._span and len(begun) == begun.maxlen else now

    def enter(self, now: int) -> None:
        """A call begins."""
        self.running += 1
        if self._span:
            self._begun.append(now)

    def leave(self) -> None:
        """A call has ended."""
        self.running -= 1
