"""What the effects of a step become: log records, messages, tasks to start or stop, log lines and counts."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

import msgspec

from dagger.core.effects import (
    Answered,
    Effect,
    Failed,
    Ignored,
    Notice,
    Parked,
    Publish,
    RunTask,
    Send,
    StopTask,
    TryFailed,
    Unmatched,
)
from dagger.core.state import State
from dagger.engine.headers import ID, header, headers_of, unpacked
from dagger.engine.ports import Append, Backend, Entry, Headers, Outgoing
from dagger.engine.records import Record, encode_record
from dagger.engine.worker.conflicts import TooLarge
from dagger.engine.worker.rows import LoadedRow
from dagger.plan.names import topic_of

logger: Final = logging.getLogger("dagger")


class LocalEffects(msgspec.Struct, frozen=True):
    """What this process does after a commit: which tasks it starts and stops, and which failures it logs."""

    id: str
    state: State
    effects: tuple[RunTask | StopTask | Notice, ...]


class BatchResult:
    """The result of applying a batch. It is dropped if the batch is not committed."""

    __slots__ = ("counts", "dirty", "local", "parked", "stored")

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.dirty = dict[str, LoadedRow]()
        """The rows to write, by key."""
        self.stored = dict[str, LoadedRow]()
        """Rows that were already written by an earlier attempt whose commit failed."""
        self.local = list[LocalEffects]()
        self.parked = dict[str, list[str]]()
        """The keys for which records were parked, by reason."""


class Dispatcher:
    """Turns effects into entries of the log."""

    def __init__(self, backend: Backend, unmatched_topic: str | None) -> None:
        """`unmatched_topic` is the topic for messages that no instance accepts; None drops them."""
        self._backend = backend
        self._log = backend.log
        self._unmatched_topic = unmatched_topic

    def dispatch(self, effects: tuple[Effect, ...], id: str, state: State | None, result: BatchResult) -> list[Entry]:
        """The entries that effects become. What this process does after the commit is added to the result.

        Raises TooLarge for a message that is larger than the backend accepts.
        """
        entries: list[Entry] = []
        local: list[RunTask | StopTask | Notice] = []
        for effect in effects:
            match effect:
                case Publish():
                    entries.append(self._message(id, effect))
                case Send():
                    partition = self._log.partition_of(effect.to)
                    entries.append(Append(partition, encode_record(Record(effect.to, effect.event))))
                case Unmatched():
                    entries += self._unmatched(effect, result)
                case Parked():
                    result.counts["unreadable" if effect.unreadable else "plan_missing"] += 1
                    result.parked.setdefault(effect.reason, []).append(id)
                case Ignored():
                    result.counts["ignored"] += 1
                    logger.debug("ignored: %s", effect.reason)
                case RunTask() | StopTask() | TryFailed() | Answered() | Failed():
                    local.append(effect)
        if local and state is not None:
            result.local.append(LocalEffects(id, state, tuple(local)))
        return entries

    def _message(self, id: str, message: Publish) -> Outgoing:
        size, size_max = len(message.payload), self._backend.size_max
        if size > size_max:
            raise TooLarge(id, f"a message for topic '{message.topic}' has {size:,} bytes, and may have {size_max:,}")
        headers: Headers = ((ID, message.id.encode()),)
        if message.headers:
            headers = headers_of({**message.headers, ID: message.id})
        return Outgoing(message.topic, message.key.encode(), message.payload, headers)

    def _unmatched(self, effect: Unmatched, result: BatchResult) -> list[Entry]:
        result.counts[f"unmatched_{effect.reason.replace(' ', '_')}"] += 1
        message = effect.message
        topic = topic_of(message.channel)
        if self._unmatched_topic is None or self._unmatched_topic == topic:  # there it would be unmatched for ever
            return []
        if message.original:
            key, came = unpacked(message.original)
        else:
            key, came = message.key.encode(), headers_of(message.headers)
        added = {"dagger-reason": effect.reason, "dagger-channel": message.channel}
        if message.id and not header(came, ID):
            added[ID] = message.id.removeprefix(f"{topic}/")
        return [Outgoing(self._unmatched_topic, key, message.payload, (*came, *headers_of(added)))]
