"""The channels that exist, in all processes and releases of an application: a note in its store.

A worker routes the messages of a topic to the channels that it has registered. It must know which others there are, to
hand messages over to a worker that has them. A process declares its channels before it submits an instance that may
wait on one, and before it begins to work. A worker reads the note after it has polled messages: so a message that was
published after an instance was submitted is handed over to the channels of that instance.

A channel is forgotten when no process that has it was there for as long as early messages are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from dagger.core.format import FORMAT, unknown_format
from dagger.engine.ports import Store
from dagger.errors import BackendError
from dagger.plan.names import topic_of
from dagger.plan.plan import Limits

logger: Final = logging.getLogger("dagger")

NOTE: Final = "channels"
"""The name of the note."""
HOUR: Final = 3_600_000_000
"""In microseconds, how long a channel is known at least."""
FRESH: Final = HOUR // 4
"""How often a process says that it is still there, in microseconds."""


class KnownChannel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known about a channel."""

    seen: int
    """When a process that has it was there, in microseconds."""
    handed_over: bool = False
    """Whether a worker that lacks it has read messages of its topic."""


class ChannelNote(msgspec.Struct, frozen=True, array_like=True, tag=FORMAT):
    """The note."""

    channels: dict[str, KnownChannel] = {}


_ENCODE: Final = msgspec.msgpack.Encoder().encode
decode_channels: Final = msgspec.msgpack.Decoder(ChannelNote).decode
_EMPTY: Final = _ENCODE(ChannelNote())


def kept_us(limits: Limits) -> int:
    """How long channels are known, and messages that were handed over are kept, in microseconds."""
    return max(limits.early_us, HOUR)


class Directory:
    """Reads and writes the note. One for each process, since it remembers what was read last."""

    def __init__(self, store: Callable[[], Store], limits: Limits) -> None:
        self._store = store
        self._kept_us = kept_us(limits)
        self.reset()

    def reset(self) -> None:
        """Know nothing: what is opened next may be another store."""
        self._data = b""
        self._channels: Mapping[str, KnownChannel] = {}
        self._topics: dict[str, dict[str, KnownChannel]] = {}
        self._declared: dict[str, int] = {}
        """When each channel of this process was declared last."""

    async def topics(self, now: int) -> Mapping[str, Mapping[str, KnownChannel]]:
        """The channels that exist, by topic and name."""
        await self._read(now)
        if not self._declared.keys() <= self._channels.keys():  # the store has lost them
            await self._declare(list(self._declared), now)
        return self._topics

    async def declare(self, names: Collection[str], now: int) -> None:
        """This process has these channels; if it was not declared a while ago."""
        before, known = now - FRESH, self._declared
        if any(known.get(name, 0) <= before for name in names):
            await self._declare([*known, *names], now)

    async def mark(self, names: Collection[str], now: int) -> None:
        """Messages for these channels are about to be handed over."""
        await self._change({}, names, now)

    async def _declare(self, names: Collection[str], now: int) -> None:
        seen = dict.fromkeys(names, now)
        await self._change(seen, (), now)
        self._declared |= seen

    async def _change(self, seen: Mapping[str, int], marked: Collection[str], now: int) -> None:
        while True:
            await self._read(now)
            channels = {name: one for name, one in self._channels.items() if one.seen + self._kept_us > now}
            for name, at in seen.items():
                before = channels.get(name)
                channels[name] = KnownChannel(at, before is not None and before.handed_over)
            for name in marked:
                channels[name] = KnownChannel(channels[name].seen if name in channels else now, True)
            if await self._store().repin(NOTE, self._data, _ENCODE(ChannelNote(channels))):
                return

    async def _read(self, now: int) -> None:
        data = await self._store().pin(NOTE, _EMPTY)
        if data == self._data:
            return
        channels = _decoded(data)
        topics = dict[str, dict[str, KnownChannel]]()
        for name, one in channels.items():
            if one.seen + self._kept_us > now:
                topics.setdefault(topic_of(name), {})[name] = one
        self._data, self._channels, self._topics = data, channels, topics


def _decoded(data: bytes) -> Mapping[str, KnownChannel]:
    """The channels of a note. One that is damaged is written anew. Raises BackendError for that of a later release."""
    try:
        return decode_channels(data).channels
    except msgspec.MsgspecError as error:
        number = _number(data)
        if number is not None and number != FORMAT:
            raise BackendError(f"the note '{NOTE}' of the store: {unknown_format(number)}") from error
        logger.error("the note '%s' of the store is damaged, and written anew: %s", NOTE, error)
        return {}


def _number(data: bytes) -> int | None:
    try:
        match msgspec.msgpack.decode(data):
            case [int(number), dict()]:
                return number
            case _:
                return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
