"""A record that kills its worker is found, and put aside; everything else goes on.

Without the notes of `Suspect` the first two tests would kill workers until their limit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from dagger.backends.kafka.suspects import PATIENCE, Suspect
from dagger.dsl import Template
from dagger.engine.headers import texts_of
from dagger.engine.intake import DEAD_LETTERS, DEADLY
from dagger.engine.ports import StandaloneStore
from dagger.testing.contract import shop
from tests.kafka.pins import pins
from tests.kafka.programs import exiting, hanging
from tests.kafka.stage import OnKafka, beside_sqlite, program
from tests.servers.kafka import KafkaCluster

LIMIT_S = 120.0
"""A failure limit."""
DEATHS_MAX = PATIENCE + 2
"""One that had got on before, those at one place, and one of a record that was alone."""
ORDERS = [shop.Order(f"o-{number}") for number in range(20)]
DEADLY_ONE = "o-7"

AT = {("log", 0): 5}
HERE = ("log", 0, 5)


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path, "&lease=2s")


@asynccontextmanager
async def waiting(storage: OnKafka, kind: Template[shop.Order, shop.Order]) -> AsyncGenerator[Dagger]:
    """Orders that all wait, and messages on their way, of which one is deadly."""
    engine = Dagger(backend=storage.backend())
    engine.register(kind)
    async with engine.client():
        await engine.start_all(kind, ORDERS)
        messages = [shop.Paid(order.id, "deadly" if order.id == DEADLY_ONE else "good") for order in ORDERS]
        await engine.publish_all(shop.NOTES, messages)
        yield engine


async def found(engine: Dagger, storage: OnKafka) -> None:
    """Start workers until one outlives all messages; a liveness probe kills those that hang."""
    for deaths in range(DEATHS_MAX + 1):
        with program("worker", storage) as process:
            while process.exit is None and "hangs" not in process.log.read_text():
                if await engine.count(status=Status.COMPLETED) == len(ORDERS) - 1 and deaths > PATIENCE:
                    async with engine.backend.log.reader(DEAD_LETTERS, "test") as reader:
                        (letter,) = await reader.read(10)
                    assert texts_of(letter.headers)["dagger-reason"] == DEADLY
                    assert b"deadly" in (letter.payload or b"")
                    assert (await engine.get_instance(DEADLY_ONE)).status is Status.EXECUTING
                    return
                await anyio.sleep(0.05)
    raise AssertionError(f"it has killed more than {DEATHS_MAX} workers")


@pytest.mark.slow
@pytest.mark.kafka
class TestDeadly:
    @pytest.mark.parametrize("kind", [exiting, hanging], ids=["ends its process", "never returns"])
    def test_it_is_put_aside_and_all_others_complete(
        self, storage: OnKafka, kind: Template[shop.Order, shop.Order]
    ) -> None:
        async def run() -> None:
            with anyio.fail_after(LIMIT_S):
                async with waiting(storage, kind) as engine:
                    await found(engine, storage)

        anyio.run(run)


async def lived(notes: StandaloneStore, name: str, at: dict[tuple[str, int], int] = AT) -> Suspect:
    """Somebody has taken the lane over, and polled."""
    suspect = Suspect(notes, 0, name)
    await suspect.taken(at)
    await suspect.polled(HERE)
    return suspect


class TestSuspect:
    def test_what_kills_alone_is_deadly(self) -> None:
        async def run() -> None:
            notes = pins()
            for death in range(PATIENCE):
                suspect = await lived(notes, f"w-{death}")
                assert not suspect.is_careful
            suspect = await lived(notes, "careful")
            assert suspect.is_careful
            assert suspect.deadly is None, "it was never alone"
            suspect = Suspect(notes, 0, "last")
            await suspect.taken(AT)
            assert suspect.deadly == HERE

        anyio.run(run)

    def test_what_was_committed_one_by_one_before_it_does_not_matter(self) -> None:
        async def run() -> None:
            notes = pins()
            for death in range(PATIENCE):
                await lived(notes, f"w-{death}")
            suspect = await lived(notes, "careful")
            await suspect.polled(("log", 0, 9))
            after, done = Suspect(notes, 0, "after"), Suspect(notes, 0, "done")
            await after.taken({("log", 0): 8})
            assert after.deadly == ("log", 0, 9)
            assert after.is_careful
            await done.taken({("log", 0): 10})
            assert done.deadly is None, "it was committed"

        anyio.run(run)

    def test_who_lives_is_not_counted(self) -> None:
        """An outage: the same worker takes its lane again and again, and commits nothing."""

        async def run() -> None:
            suspect = Suspect(pins(), 0, "me")
            for _ in range(3 * PATIENCE):
                await suspect.taken(AT)
                assert not suspect.is_careful
                assert suspect.deadly is None
                await suspect.polled(HERE)

        anyio.run(run)

    def test_who_leaves_in_order_is_not_counted(self) -> None:
        """A rolling restart, of workers that get nowhere."""

        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                suspect = await lived(notes, f"w-{number}")
                assert not suspect.is_careful
                await suspect.left()

        anyio.run(run)

    def test_who_polled_nothing_was_killed_by_nothing(self) -> None:
        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                await Suspect(notes, 0, f"w-{number}").taken(AT)
            assert not (await lived(notes, "last")).is_careful

        anyio.run(run)

    def test_who_gets_on_is_not_suspected(self) -> None:
        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                suspect = await lived(notes, f"w-{number}", {("log", 0): number})
                assert not suspect.is_careful

        anyio.run(run)
