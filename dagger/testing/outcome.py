"""The outcome of a scenario: the state of every instance, and what was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dagger.core.state import Status
from dagger.engine.client.instance import Instance
from dagger.engine.headers import ID, header, header_text, text_of
from dagger.engine.ports import TopicRecord
from dagger.testing.kit import TestEngine

ALL: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class InstanceOutcome:
    """The state of an instance: its status, result if it is COMPLETED, error if it failed, and what it waits for."""

    template: str
    status: Status
    result: Any = None
    error: str | None = None
    waiting_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Published:
    """A message that the engine published."""

    topic: str
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a scenario.

    `instances` maps ids. `published` is sorted, without duplicates of an id and without unmatched messages
    (`unmatched_topic`). `broken` names ids under which two different messages were published.
    """

    instances: Mapping[str, InstanceOutcome]
    published: tuple[Published, ...]
    broken: tuple[str, ...] = ()

    @property
    def statuses(self) -> dict[str, Status]:
        """The status of each instance."""
        return {id: ending.status for id, ending in self.instances.items()}

    @property
    def results(self) -> dict[str, Any]:
        """The result of each instance that is COMPLETED."""
        return {id: ending.result for id, ending in self.instances.items() if ending.status is Status.COMPLETED}


async def outcome_of(engine: TestEngine) -> Outcome:
    """The outcome in an idle engine."""
    instances = {one.id: _instance_outcome(one) for one in await engine.instances(limit=ALL)}
    log = engine.memory.log
    records = [record for number, record in enumerate(log.history) if number not in log.delivered]
    published, broken = _as_consumed([record for record in records if header(record.headers, "dagger-channel") is None])
    return Outcome(instances, tuple(sorted(published)), tuple(broken))


def _instance_outcome(instance: Instance[Any]) -> InstanceOutcome:
    error = None if instance.error is None else str(instance.error)
    waits = tuple(sorted(instance.waiting_for))
    return InstanceOutcome(instance.template, instance.status, instance.result, error, waits)


def _as_consumed(records: Sequence[TopicRecord]) -> tuple[list[Published], list[str]]:
    """Messages without duplicates of an id, and the ids that came with two contents."""
    known = dict[str, Published]()
    unnamed = set[Published]()
    broken = list[str]()
    for record in records:
        message = Published(record.topic, text_of(record.key or b""), record.payload or b"")
        id = header_text(record.headers, ID)
        if id is None:
            unnamed.add(message)
        elif known.setdefault(f"{record.topic} {id}", message) != message:
            broken.append(f"two messages of topic '{record.topic}' have the id '{id}'")
    return [*known.values(), *unnamed], broken


def changes(expected: Outcome, got: Outcome) -> Iterator[str]:
    """The differences as text."""
    for id in sorted(expected.instances.keys() | got.instances.keys()):
        before, after = expected.instances.get(id), got.instances.get(id)
        if before != after and repr(before) != repr(after):
            yield f"instance {id}: expected {_description(before)}; got {_description(after)}"
    wanted, found = Counter(expected.published), Counter(got.published)
    yield from (f"published: {_shown(message, times)} is missing" for message, times in (wanted - found).items())
    yield from (f"published: {_shown(message, times)} is too many" for message, times in (found - wanted).items())
    yield from got.broken


def _description(ending: InstanceOutcome | None) -> str:
    if ending is None:
        return "no such instance"
    if ending.status is Status.COMPLETED:
        return f"COMPLETED with {_short(repr(ending.result))}"
    if ending.error is not None:
        return f"{ending.status}: {ending.error}"
    waits = f", waiting for {', '.join(ending.waiting_for)}" if ending.waiting_for else ""
    return f"{ending.status}{waits}"


def _shown(message: Published, times: int) -> str:
    payload = _short(message.payload.decode(errors="backslashreplace"))
    return f"{f'{times} times ' if times > 1 else ''}{message.topic} of '{message.key}' {payload}"


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
