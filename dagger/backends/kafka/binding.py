"""What an application, its cluster, its topics and its store have agreed on; beside anything else nobody goes on.

Offsets mean something only for the topic that they were counted in, and records only beside the log that has made them.
A topic that was deleted and made again counts from 0, and so does a cluster that was set up anew: taken for what was
there before, its messages would pass for duplicates, and be lost without a word. So whatever offsets refer to is noted
in the store by its identity, and a note of the store's stands beside each committed offset. A topic of messages that
was made again in the same cluster is read from its first message on; anything else is refused.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from dagger.backends.kafka.client import TopicInfo
from dagger.backends.kafka.notes import Pin, PinnedNote
from dagger.backends.kafka.options import KafkaOptions
from dagger.backends.standalone import StandaloneStore
from dagger.errors import BackendError

NAME: Final = "charter"
"""The name of the note. Builds before the first release kept theirs under it: so it is found, and refused."""

HOMES: Final = "murmur2"
"""The hash by which a new log divides keys."""


class Binding(PinnedNote, frozen=True, kw_only=True):
    """What one application's records and log belong to."""

    id: str
    """Stands beside each offset that is committed."""
    application: str
    cluster: str
    log: str
    """The id of the log's topic."""
    partitions: int
    homes: str = "crc32"
    """The hash by which keys are divided among the partitions. The first notes of this format do not say it."""


class Source(PinnedNote, frozen=True, kw_only=True):
    """A partition that is consumed."""

    topic: str
    """The id of its topic."""
    begun: bool = False
    """Whether an offset of it was committed."""
    made: int = 0
    """How often its topic was made again since it was consumed first."""


async def agreed(store: StandaloneStore, options: KafkaOptions, cluster: str, log: TopicInfo) -> Binding:
    """The binding, made if there is none. Raises BackendError where it says something else than what is there."""
    mine = Binding(
        id=uuid4().hex,
        application=options.group,
        cluster=cluster,
        log=log.id,
        partitions=log.partitions,
        homes=HOMES,
    )
    try:
        kept = await Pin[Binding](store, NAME).get(mine)
    except BackendError as error:
        raise BackendError(f"{options.place}: {error}") from None
    for found, before, words in (
        (mine.application, kept.application, "the store has the records of application '{before}', not '{found}'"),
        (cluster, kept.cluster, "the store belongs to the cluster '{before}', and this is '{found}'"),
        (mine.log, kept.log, f"the topic '{log.name}' was deleted and made again since the records of the store"),
        (mine.partitions, kept.partitions, f"'{log.name}' had {{before}} partitions, and has {{found}}"),
        (mine.homes, kept.homes, f"the keys of '{log.name}' are divided by {{before}}, and here by {{found}}"),
    ):
        if found != before:
            said = words.format(before=before, found=found)
            raise BackendError(
                f"{options.place}: {said}. Go on with what belongs together, or begin anew: give the application "
                "another name, or the store another place"
            )
    return kept


class Sources:
    """The partitions that are consumed, as the store knows them."""

    def __init__(self, store: StandaloneStore, options: KafkaOptions, binding: Binding) -> None:
        self._store = store
        self._place = options.place
        self._binding = binding
        self._known = dict[tuple[str, int], Source]()
        self._pins = dict[tuple[str, int], Pin[Source]]()

    async def look(self, topic: TopicInfo, partition: int) -> bool | None:
        """Whether offsets of this partition were committed; whoever is told so finds them, asking after that.

        None where they are those of another topic of its name, which was deleted: they mean nothing any more.
        """
        at, new = (topic.name, partition), Source(topic=topic.id)
        pin = self._pins.setdefault(at, Pin(self._store, f"source/{topic.name}/{partition}"))
        kept = self._known.get(at, new)
        if not kept.begun or kept.topic != topic.id:  # others may have begun since
            kept = await pin.get(new)
        self._known[at] = kept
        return kept.begun if kept.topic == topic.id else None

    def check(self, topic: str, partition: int, note: str | None, begun: bool) -> None:
        """Whether to go on with the offset of a partition. Raises BackendError.

        Args:
            topic: its name.
            partition: its number.
            note: the id of the binding beside the offset that is committed, which may be empty; None without an offset.
            begun: what was seen before the offset was asked for. Seen after it, another may have taken the partition,
                and begun it, in between.
        """
        at = f"partition {partition} of '{topic}'"
        if note is None and begun:
            raise self._refused(
                f"the group's offset of {at} is gone (expired, or deleted): nobody knows what was read. Set it to what "
                "is to be read next"
            )
        if note is not None and note not in ("", self._binding.id):
            raise self._refused(
                f"the offset of {at} was committed beside another store. Go on with that one, or give the application "
                "another name"
            )

    async def begun(self, topic: TopicInfo, partition: int) -> None:
        """An offset of the partition is committed: from now on there must be one."""
        at = (topic.name, partition)
        kept = self._known[at]
        now = Source(topic=topic.id, begun=True, made=kept.made + (kept.topic != topic.id))
        if now != kept:
            if not await self._pins[at].replace(now):
                self._known.pop(at)  # another was faster: look again
                return
            self._known[at] = now

    def made(self, topic: str, partition: int) -> int:
        """How often the topic of a partition was made again since the partition was consumed first."""
        kept = self._known.get((topic, partition))
        return 0 if kept is None else kept.made

    def _refused(self, why: str) -> BackendError:
        return BackendError(f"{self._place}: {why}")
