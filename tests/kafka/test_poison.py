"""A record that kills its worker is found, and dead-lettered; everything else goes on.

Without the notes of `PoisonDetector` the first two tests would kill workers until their limit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from dagger.backends.kafka.poison import PATIENCE, PoisonDetector
from dagger.backends.standalone import StandaloneStore
from dagger.dsl import Template
from dagger.engine.headers import texts_of
from dagger.engine.worker.decoding import DEAD_LETTERS, POISON
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
POISON_ONE = "o-7"

AT = {("log", 0): 5}
HERE = ("log", 0, 5)


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path, "&lease=2s")


@asynccontextmanager
async def waiting(storage: OnKafka, kind: Template[shop.Order, shop.Order]) -> AsyncGenerator[Dagger]:
    """Orders that all wait, and messages on their way, one of which is poison."""
    engine = Dagger(backend=storage.backend())
    engine.register(kind)
    async with engine.client():
        await engine.start_all(kind, ORDERS)
        messages = [shop.Paid(order.id, "poison" if order.id == POISON_ONE else "good") for order in ORDERS]
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
                    assert texts_of(letter.headers)["dagger-reason"] == POISON
                    assert b"poison" in (letter.payload or b"")
                    assert (await engine.get_instance(POISON_ONE)).status is Status.EXECUTING
                    return
                await anyio.sleep(0.05)
    raise AssertionError(f"it has killed more than {DEATHS_MAX} workers")


@pytest.mark.slow
@pytest.mark.kafka
class TestPoison:
    @pytest.mark.parametrize("kind", [exiting, hanging], ids=["ends its process", "never returns"])
    def test_it_is_dead_lettered_and_all_others_complete(
        self, storage: OnKafka, kind: Template[shop.Order, shop.Order]
    ) -> None:
        async def run() -> None:
            with anyio.fail_after(LIMIT_S):
                async with waiting(storage, kind) as engine:
                    await found(engine, storage)

        anyio.run(run)


async def takes(detector: PoisonDetector, at: dict[tuple[str, int], int]) -> None:
    """Take the lane over, with its offsets there."""
    await detector.read()
    assert await detector.claim()
    await detector.taken(at)


async def lived(notes: StandaloneStore, name: str, at: dict[tuple[str, int], int] = AT) -> PoisonDetector:
    """Somebody has taken the lane over, and polled."""
    detector = PoisonDetector(notes, 0, name)
    await takes(detector, at)
    await detector.polled(HERE)
    return detector


class TestOwner:
    def test_of_two_who_have_read_the_same_note_one_claims_the_lane(self) -> None:
        async def run() -> None:
            notes = pins()
            one, other = PoisonDetector(notes, 0, "one"), PoisonDetector(notes, 0, "other")
            await one.read()
            await other.read()
            assert await one.claim()
            assert not await other.claim()
            await other.read()
            assert other.owner == "one"
            assert await other.claim()
            await one.read()
            assert one.owner == "other"

        anyio.run(run)


class TestPoisonDetector:
    def test_what_kills_alone_is_poison(self) -> None:
        async def run() -> None:
            notes = pins()
            for death in range(PATIENCE):
                detector = await lived(notes, f"w-{death}")
                assert not detector.is_careful
            detector = await lived(notes, "careful")
            assert detector.is_careful
            assert detector.poison is None, "it was never alone"
            detector = PoisonDetector(notes, 0, "last")
            await takes(detector, AT)
            assert detector.poison == HERE

        anyio.run(run)

    def test_what_was_committed_one_by_one_before_it_does_not_matter(self) -> None:
        async def run() -> None:
            notes = pins()
            for death in range(PATIENCE):
                await lived(notes, f"w-{death}")
            detector = await lived(notes, "careful")
            await detector.polled(("log", 0, 9))
            after, done = PoisonDetector(notes, 0, "after"), PoisonDetector(notes, 0, "done")
            await takes(after, {("log", 0): 8})
            assert after.poison == ("log", 0, 9)
            assert after.is_careful
            await takes(done, {("log", 0): 10})
            assert done.poison is None, "it was committed"

        anyio.run(run)

    def test_who_lives_is_not_counted(self) -> None:
        """An outage: the same worker takes its lane again and again, and commits nothing."""

        async def run() -> None:
            detector = PoisonDetector(pins(), 0, "me")
            for _ in range(3 * PATIENCE):
                await takes(detector, AT)
                assert not detector.is_careful
                assert detector.poison is None
                await detector.polled(HERE)

        anyio.run(run)

    def test_who_leaves_in_order_is_not_counted(self) -> None:
        """A rolling restart, of workers that get nowhere."""

        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                detector = await lived(notes, f"w-{number}")
                assert not detector.is_careful
                await detector.released()

        anyio.run(run)

    def test_who_polled_nothing_was_killed_by_nothing(self) -> None:
        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                await takes(PoisonDetector(notes, 0, f"w-{number}"), AT)
            assert not (await lived(notes, "last")).is_careful

        anyio.run(run)

    def test_who_gets_on_is_not_suspected(self) -> None:
        async def run() -> None:
            notes = pins()
            for number in range(3 * PATIENCE):
                detector = await lived(notes, f"w-{number}", {("log", 0): number})
                assert not detector.is_careful

        anyio.run(run)
