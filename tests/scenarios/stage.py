"""What a scenario plays on: the same code on the memory of the test kit, under faults, and on the durable backends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from dagger import Instance, Run, Template, Topic
from dagger.engine.clock import to_datetime
from dagger.testing import TestEngine
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver, messages_of
from tests.scenarios.orders import Request

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")


class Stage:
    """An engine with a virtual clock. Each call returns when nothing is left to do at the current time of the clock,
    so that no scenario waits in real time."""

    def __init__(self, engine: TestEngine | Driver) -> None:
        self._engine = engine
        self._reads = 0

    @property
    def now(self) -> datetime:
        """The time of the clock."""
        return self._clock.time

    async def start(self, template: Template[A, B], input: A) -> Run[B]:
        """Start an instance. Its id is its business key."""
        run = await self._engine.start(template, input)
        await self._engine.run_until_idle()
        return run

    async def deliver(self, topic: Topic[M], message: M) -> None:
        """Publish a message as an external service would."""
        if isinstance(self._engine, TestEngine):
            await self._engine.deliver(topic, message)
        else:
            await self._engine.publish(topic, message)
            await self._engine.run_until_idle()

    async def stop(self, run: Run[Any]) -> None:
        """Stop an instance, as an operator would."""
        await self._engine.stop(run)
        await self._engine.run_until_idle()

    async def advance(self, by: timedelta) -> None:
        """Move the clock forward, from timer to timer."""
        if isinstance(self._engine, TestEngine):
            await self._engine.advance(by)
            return
        target = self.now + by
        while (due := self._engine.next_due) is not None and to_datetime(due) <= target:
            await self._move(to_datetime(due))
        await self._move(target)

    async def sent(self, topic: Topic[Request], key: str) -> list[Request]:
        """The messages with this key that the engine has published. No scenario delivers to such a topic."""
        if isinstance(self._engine, TestEngine):
            return [message for message in self._engine.sent(topic) if message.id == key]
        self._reads += 1
        group = f"reader-{self._reads}"
        records = await messages_of(self._engine.backend, topic.name, {key}, group)
        return [topic.wire.decode(record.payload or b"") for record in records]

    async def children(self, parent: Run[Any]) -> list[Instance[Any]]:
        """The child instances of an instance, by their ids."""
        return list(await self._engine.instances(parent=parent))

    @property
    def _clock(self) -> VirtualClock:
        return self._engine.clock if isinstance(self._engine, TestEngine) else self._engine.time

    async def _move(self, to: datetime) -> None:
        assert isinstance(self._engine, Driver)
        self._engine.advance(max(to - self.now, timedelta(0)))
        await self._engine.run_until_idle()


Scenario: TypeAlias = Callable[[Stage], Awaitable[None]]
Play: TypeAlias = Callable[[Template[Any, Any], Scenario], None]
"""Plays a scenario of a template on one kind of stage."""

SCENARIOS: dict[str, tuple[Template[Any, Any], Scenario]] = {}
"""Every scenario that was imported, for a stage that plays all of them in one worker."""


def everywhere(template: Template[Any, Any]) -> Callable[[Scenario], Callable[[Play], None]]:
    """Makes a test of a scenario: it is played on each kind of stage."""

    def decorate(scenario: Scenario) -> Callable[[Play], None]:
        name = f"{scenario.__module__}.{scenario.__name__}"
        SCENARIOS[name] = template, scenario

        def test(play: Play) -> None:
            play(template, scenario)

        test.__doc__ = scenario.__doc__
        return test

    return decorate
