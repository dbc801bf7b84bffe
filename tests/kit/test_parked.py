"""An event for a template that the worker does not know waits in the record of its key; nothing is lost."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dagger import Again, Dagger, Status, Topic, listener, signal, sleep, task, template
from dagger.backends.memory import MemoryBackend
from dagger.core import dispatch
from dagger.core.dispatch import FindPlan
from dagger.core.entity import Entity, Result
from dagger.core.events import Event, TimerDue
from dagger.engine.worker.decoding import DEAD_LETTERS
from dagger.plan.plan import Limits
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


notes = Topic("NOTES", Note, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@listener(notes)
def noted(order: Order, message: Note) -> Order | Again[Order]:
    """Takes notes until one says `end`."""
    after = Order(order.id, (*order.texts, message.text))
    return after if message.text == "end" else Again(after)


@task
async def shout(order: Order) -> str:
    return " ".join(order.texts).upper()


known_here = template("Known", listener(notes), key=by_id, takes=Order)
workflow = template("Workflow", noted >> shout, key=by_id)
quick = template("Quick", shout, key=by_id)
ALL = "A B END"


@pytest.fixture
def without(memory: MemoryBackend) -> TestEngine:
    """Knows another template, which takes messages of the same topic."""
    engine = TestEngine(backend=memory)
    engine.register(known_here)
    return engine


async def submit(memory: MemoryBackend, order: Order) -> None:
    """Submit by an engine that does no work."""
    client = Dagger(backend=memory)
    await client.start(workflow, order)


async def take_over(memory: MemoryBackend) -> TestEngine:
    """Another engine, which knows the template, becomes the worker."""
    engine = TestEngine(backend=memory)
    engine.register(workflow)
    await engine.crash()
    return engine


async def test_a_submission_and_messages_wait_for_a_worker_that_knows_the_template(
    memory: MemoryBackend, without: TestEngine
) -> None:
    await submit(memory, Order("o-1"))
    await without.run_until_idle()
    for text in ("a", "b", "end"):
        await without.deliver(notes, Note("o-1", text))
    assert without.counts == {"plan_missing": 4}
    assert await without.count() == await without.count(status="SUBMITTED") == 1
    engine = await take_over(memory)
    assert (await engine.get_instance("o-1")).result == ALL
    assert [record for record in memory.log.history if record.topic == DEAD_LETTERS] == []


async def test_an_instance_that_has_begun_waits_too(memory: MemoryBackend, without: TestEngine) -> None:
    engine = TestEngine(backend=memory)
    run = await engine.start(workflow, Order("o-1"))
    await engine.deliver(notes, Note("o-1", "a"))
    await without.crash()  # the one without the template is the worker now
    for text in ("b", "end"):
        await without.deliver(notes, Note("o-1", text))
    assert run.status is Status.EXECUTING
    engine = await take_over(memory)
    assert (await engine.get_instance("o-1")).result == ALL


async def test_others_go_on_meanwhile(memory: MemoryBackend, without: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    run = await without.start(known_here, Order("o-2"))
    await without.deliver(notes, Note("o-1", "a"))
    await without.deliver(notes, Note("o-2", "mine"))
    assert run.result == Note("o-2", "mine")


async def test_a_worker_that_learns_the_template_goes_on(memory: MemoryBackend, without: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    for text in ("a", "b", "end"):
        await without.deliver(notes, Note("o-1", text))
    without.register(workflow)
    await without.run_until_idle()
    assert (await without.get_instance("o-1")).result == ALL


async def test_the_next_event_goes_behind_what_is_parked(memory: MemoryBackend, without: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    for text in ("a", "b"):
        await without.deliver(notes, Note("o-1", text))
    engine = await take_over(memory)
    await engine.deliver(notes, Note("o-1", "end"))
    assert (await engine.get_instance("o-1")).result == ALL


async def test_a_take_over_by_one_without_the_template_changes_nothing(
    memory: MemoryBackend, without: TestEngine
) -> None:
    await submit(memory, Order("o-1"))
    for text in ("a", "b", "end"):
        await without.deliver(notes, Note("o-1", text))
        await without.crash()
    engine = await take_over(memory)
    assert (await engine.get_instance("o-1")).result == ALL


async def test_stops_and_signals_wait_as_well(memory: MemoryBackend, without: TestEngine) -> None:
    engine = TestEngine(backend=memory)
    body = signal("go", str) >> sleep(HOUR)
    runs = [await engine.start(template("Go", body, key=by_id, takes=Order), Order(id)) for id in ("o-1", "o-2")]
    client = Dagger(backend=memory)
    client.register(template("Go", body, key=by_id, takes=Order))
    await without.crash()
    await client.signal("o-1", "go", "now")
    await client.stop("o-2")
    await without.run_until_idle()
    await engine.crash()
    assert [run.status for run in runs] == [Status.EXECUTING, Status.STOPPED]
    assert runs[0].step("go").status is Status.COMPLETED


async def test_a_timer_waits(memory: MemoryBackend, without: TestEngine) -> None:
    engine = TestEngine(backend=memory)
    nap = template("Nap", sleep(HOUR), key=by_id, takes=Order)
    run = await engine.start(nap, Order("o-1"))
    await without.crash()
    await without.advance(2 * HOUR)
    assert without.counts == {"plan_missing": 1}
    without.register(nap)
    await without.run_until_idle()
    assert (await without.get_instance("o-1")).status is Status.COMPLETED
    assert run.status is Status.EXECUTING


def test_it_waits_in_a_file_too(tmp_path: Path) -> None:
    asyncio.run(in_a_file(tmp_path))


async def in_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parked.db'}"
    here = Dagger(url)
    here.register(known_here)
    client = Dagger(url)
    await client.start(workflow, Order("o-1"))
    async with here:
        other = await here.start(known_here, Order("o-2"))
        for id in ("o-1", "o-2"):
            await here.publish_all(notes, [Note(id, text) for text in ("a", "b", "end")])
        await here.wait(other)
        while here.counts.get("plan_missing", 0) < 4:
            await here.publish(notes, Note("nobody"))
    await client.aclose()
    async with Dagger(url) as engine:
        run = await engine.start(workflow, Order("o-1"))  # again, as it is not there yet
        assert (await engine.wait(run)).result == ALL


@pytest.mark.parametrize("url", ["memory://", "sqlite:///parked.db"])
def test_a_worker_that_sleeps_is_woken_by_what_is_registered(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        engine = Dagger(url)
        client = Dagger(backend=engine.backend) if url == "memory://" else Dagger(url)
        async with engine:
            async with client.client():
                await client.start(quick, Order("o-1"))
            while not engine.counts.get("plan_missing"):  # noqa: ASYNC110  # no event tells it
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # it goes to sleep; where it does not, nothing is tested
            engine.register(quick)
            async with asyncio.timeout(30):  # a failure limit
                while not await engine.count(status=Status.COMPLETED):  # noqa: ASYNC110  # no event tells it
                    await asyncio.sleep(0.01)

    asyncio.run(run())


async def test_what_waits_is_logged_once_for_a_batch(
    memory: MemoryBackend, without: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = TestEngine(backend=memory)
    await engine.start_all(template("Nap", sleep(HOUR), key=by_id, takes=Order), [Order(f"o-{n}") for n in range(100)])
    await without.crash()
    await without.advance(HOUR)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "and 99 others: a record is parked until a worker can apply it" in line
    assert without.counts == {"plan_missing": 100}


def test_a_timer_that_cannot_be_applied_does_not_keep_others_from_firing(
    memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays due, and would be found first each time."""

    def receive(find: FindPlan, limits: Limits, entity: Entity, event: Event, now: int) -> Result:
        if isinstance(event, TimerDue) and entity.state is not None and entity.state.id.startswith("bad"):
            raise ZeroDivisionError
        return dispatch.receive(find, limits, entity, event, now)

    monkeypatch.setattr("dagger.engine.worker.timers.DUE_MAX", 2)
    monkeypatch.setattr("dagger.engine.worker.worker.receive", receive)
    asyncio.run(passed_over(TestEngine(backend=memory), monkeypatch))


async def passed_over(engine: TestEngine, patched: pytest.MonkeyPatch) -> None:
    nap = template("Nap", sleep(HOUR), key=by_id, takes=Order)
    for id in ("bad-1", "bad-2", "bad-3", "good"):
        await engine.start(nap, Order(id))
        await engine.advance(timedelta(microseconds=1))
    await engine.advance(2 * HOUR)
    assert (await engine.get_instance("good")).status is Status.COMPLETED
    assert engine.counts == {"poison": 3}
    patched.undo()
    await engine.crash()
    assert await engine.count(status=Status.COMPLETED) == 4
    await engine.close()
