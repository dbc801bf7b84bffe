"""Datagrams by which the processes on one file wake each other, and what one has learned from them.

A datagram may be lost, for example where the buffer of a busy process is full. So each process numbers its datagrams:
where a number is missing, everything may have changed. If the last one is lost, the next tick sees the commit.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Literal

import msgspec
from typing_extensions import override

from dagger.backends.sqlite.notifier import NamedNotifier

WAKE: Final = "wake"
"""Something was committed."""
HELLO: Final = "hello"
"""A process has come, gone or given something up: read the list of processes again."""
ENDED: Final = "ended"
"""Instances have ended."""

BYTES_MAX: Final = 32 * 1024
"""How many bytes of ids one datagram has at most."""
IDS_MAX: Final = 100_000
"""How many ids are kept for a task that does not ask for them, before they count as anything."""
SENDERS_MAX: Final = 1_000
"""How many senders are remembered."""


class Datagram(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The content of a datagram."""

    sender: str
    number: int
    kind: Literal["wake", "hello", "ended"]
    ids: tuple[str, ...] = ()


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Datagram).decode


class Numbering:
    """Makes the datagrams of one process."""

    def __init__(self, sender: str) -> None:
        self._sender = sender
        self._numbers = itertools.count()

    def datagram(self, kind: Literal["wake", "hello", "ended"], ids: Sequence[str] = ()) -> bytes:
        """The next datagram."""
        return _encode(Datagram(self._sender, next(self._numbers), kind, tuple(ids)))


def chunks(ids: Collection[str]) -> Iterator[list[str]]:
    """The ids in parts, each of which fits into one datagram; an id that is too long for one is a part of its own."""
    part, size = list[str](), 0
    for id in ids:
        if part and size + 4 * len(id) > BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(id)
        size += 4 * len(id) + 5
    if part:
        yield part


class RemoteChanges:
    """What other processes have changed since it was last asked."""

    def __init__(self) -> None:
        self._notifier = NamedNotifier()
        self._ended = set[str]()
        self._is_complete = False
        """Whether the ids are all that have ended since the last call; not before the first one."""
        self._numbers: dict[str, int] = {}

    async def wait(self) -> Collection[str] | None:
        """Return after the next change: the ids of instances that have ended, or None if others may have ended too."""
        await self._notifier.wait("changed")
        ended, is_complete = self._ended, self._is_complete
        self._ended, self._is_complete = set[str](), True
        return ended if is_complete else None

    def received(self, signal: Datagram) -> None:
        """A datagram has come."""
        if len(self._numbers) > SENDERS_MAX:
            self._numbers.clear()
        expected = self._numbers.get(signal.sender, 0)  # who was there before may have sent more before it knew of us
        self._numbers[signal.sender] = signal.number + 1
        if signal.number != expected or len(self._ended) > IDS_MAX:
            self._ended.clear()
            self._is_complete = False
        self._ended.update(signal.ids)
        self._notifier.notify()

    def something(self) -> None:
        """There was a commit. Ends have been reported, unless the last datagram was lost: so it is worth a look."""
        self._notifier.notify()

    def anything(self) -> None:
        """Anything may have changed."""
        self._ended.clear()
        self._is_complete = False
        self._notifier.notify()


class WakeSocket(asyncio.DatagramProtocol):
    """Receives the datagrams of the other processes. A datagram of anybody else counts as one that says nothing."""

    def __init__(self, on_signal: Callable[[Datagram | None], None]) -> None:
        self._on_signal = on_signal

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            signal = _decode(data)
        except (msgspec.MsgspecError, ValueError):
            signal = None
        self._on_signal(signal)

    @override
    def error_received(self, exc: Exception) -> None:
        """The port of another process is closed: that process is gone, and its entry expires."""
