"""The engine of the test kit (the shell, the router, the memory backend) does what the reference does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, note
from typing_extensions import override

from dagger import Dagger, Run, Status, context
from dagger.backends.memory import MemoryBackend
from dagger.engine.registry import Registry
from dagger.testing import TestEngine
from dagger.testing.releases import with_next_versions, with_other_steps, without
from tests.model import MARKS
from tests.model.drivers import refer
from tests.model.pieces import Sent, Stand
from tests.model.reference import Reference, View
from tests.model.schedule import Action, Advance, Case, Deliver, Finish, Release, Signal, Start, Stop
from tests.model.strategies import cases
from tests.model.trees import told
from tests.model.words import PUBLISHED, Desk, Outcome, Work, plain

pytestmark = [*MARKS, pytest.mark.usefixtures("silent")]


RELEASES: Mapping[str, Callable[[Registry], Registry] | None] = {
    "it": None,
    "another shape": with_other_steps,
    "the next version": with_next_versions,
    "nothing": without,
}
"""What workers of a release have registered."""


class Gates(Desk):
    """Every task waits at its gate, by what names its call, until the schedule lets it go on."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Future[Outcome]] = {}

    @override
    async def wait(self, work: Work, value: object) -> Any:
        here = context()
        key = here.idempotency_key.removeprefix(f"{here.instance_id}/")
        gate = self.gates[key] = asyncio.get_running_loop().create_future()
        here.hangs()
        try:
            outcome = await gate
        finally:
            if self.gates.get(key) is gate:
                del self.gates[key]
        return work.outcome(value, here.attempt, outcome)

    @asynccontextmanager
    async def lifespan(self, engine: Dagger) -> AsyncIterator[Gates]:
        yield self


class Engine:
    """A test engine, to which a schedule happens."""

    reopens = False
    """Whether another worker goes on after every action."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.gates = Gates()
        backend = MemoryBackend()
        backend.log.partitions = 1  # the order between entities is told only where they share a partition
        self.engine = TestEngine(lifespan=self.gates.lifespan, early_limit=case.early_limit, backend=backend)
        self.engine.register(case.template)
        self.run: Run[Any] | None = None

    async def carry_out(self, action: Action) -> None:
        """Carry an action out; a task that it stops takes some turns of the loop to notice."""
        await self.do(action)
        for _ in range(3):
            await asyncio.sleep(0)

    async def do(self, action: Action) -> None:
        engine, id = self.engine, self.case.id
        match action:
            case Start():
                own = None if self.case.is_own_key else id
                self.run = await engine.start(self.case.template, self.case.value, id=own)
            case Deliver(topic, note, name):
                await engine.deliver(topic, note, id=name)
            case Signal(name, word):
                await engine.signal(id, name, word)
            case Advance(by):
                await engine.advance(by)
            case Finish(which, outcome):
                await self.finish(which, outcome)
            case Stop():
                await engine.stop(id)
            case Release(knows):
                await engine.replace_worker(RELEASES[knows])
            case _:
                raise AssertionError(f"an engine is never late: {action}")

    async def finish(self, which: int, outcome: Outcome) -> None:
        keys = sorted(self.gates.gates)
        if keys:
            self.gates.gates[keys[which % len(keys)]].set_result(outcome)
        await self.engine.run_until_idle()

    @property
    def view(self) -> View:
        sent = {topic.name: [Sent(note, "") for note in self.engine.sent(topic)] for topic in PUBLISHED}
        if self.run is None:
            return View(Status.NOT_STARTED, None, None, sent, {})
        seen = self.run.instance
        if seen.status is Status.SUBMITTED:
            return View(Status.NOT_STARTED, None, None, sent, {})
        found = [step for step in seen.steps if step.attempts or seen.status.is_end]
        steps = {step.path: Stand(step.status, step.attempts) for step in found}
        error = (seen.error.path, seen.error.type) if seen.error else None
        return View(seen.status, plain(seen.result), error, sent, steps)


def without_envelopes(view: View) -> View:
    """The view as the test kit gives it."""
    sent = {topic.name: [Sent(one.value, "") for one in view.sent.get(topic.name, [])] for topic in PUBLISHED}
    return View(view.status, view.result, view.error, sent, view.steps)


async def compare(case: Case, engine: Engine) -> None:
    reference = Reference(case.template, case.id, case.early_limit)
    try:
        for action in case.actions:
            note(str(action))
            refer(reference, case, action)
            if engine.reopens:
                reference.restart()
            await engine.carry_out(action)
            assert engine.view == without_envelopes(reference.view)
            assert sorted(engine.gates.gates) == reference.task_keys
    finally:
        await engine.engine.close()


@given(cases(engine=True))
def test_the_engine_does_what_the_reference_does(case: Case) -> None:
    note(told(case.template))

    async def run() -> None:
        await compare(case, Engine(case))

    asyncio.run(run())
