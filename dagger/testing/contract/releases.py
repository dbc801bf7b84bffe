"""Workers of two releases on the same data: no message is passed over because its reader lacks a listener."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from dagger.core.state import Status
from dagger.dsl import Again, Template, listener, template
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver
from dagger.testing.contract.harness import in_loop, needs_sharing
from dagger.testing.contract.storage import Storage
from dagger.testing.contract.workers import divided, together


def of_receipt(message: shop.Paid) -> str:
    """The key that the listeners of these tests compute: what stands before the colon."""
    return message.receipt.partition(":")[0]


@listener(shop.NOTES, by=of_receipt)
def noted(heard: shop.Heard, message: shop.Paid) -> shop.Heard | Again[shop.Heard]:
    """Collects what is said, until the last."""
    text = message.receipt.partition(":")[2]
    after = shop.Heard(heard.id, (*heard.texts, text))
    return after if text == "last" else Again(after)


def order_of(message: shop.Paid) -> shop.Order:
    """The order that a message starts."""
    return shop.Order(f"started-{of_receipt(message)}")


first = template("ContractReleased", listener(shop.NOTES), key=shop.by_id, takes=shop.Order)
second = template("ContractReleased", noted, key=shop.by_name, version=2)
started = template("ContractStarted", listener(shop.PAYMENTS), key=shop.by_id, takes=shop.Order)
OLD: Final = (first,)
NEW: Final = (first, second)
IDS: Final = [f"o-{number}" for number in range(12)]
SAID: Final = ("a", "b", "c")


class ReleaseContract(ContractCase):
    """The contract of workers that have registered different templates."""

    @in_loop
    async def test_3_a_message_that_a_worker_of_another_release_reads_is_not_passed_over(
        self, storage: Storage
    ) -> None:
        clock = VirtualClock()
        async with worker(storage, clock, *NEW, starts=True) as new:
            await new.start_all(second, [shop.Heard(id) for id in IDS[:6]])
            await new.run_until_idle()
        async with Driver(storage.backend(), clock).connected() as client:
            await client.start_all(second, [shop.Heard(id) for id in IDS[6:]])
        async with worker(storage, clock, *OLD) as old:
            for text in SAID[:2]:
                await say(old, text)
                await old.run_until_idle()
            assert old.counts["handed_over"] == 2 * 2 * len(IDS)
        async with worker(storage, clock, *NEW, starts=True) as new:
            await say(new, SAID[2], "last")
            await have_heard_all(new)

    @in_loop
    async def test_3_nor_while_workers_of_two_releases_share_the_work(self, storage: Storage) -> None:
        needs_sharing(storage.backend())
        clock = VirtualClock()
        async with worker(storage, clock, *NEW, starts=True) as new:
            async with worker(storage, clock, *OLD) as old:
                await divided(new, old)
                await new.start_all(second, [shop.Heard(id) for id in IDS])
                for text in SAID:
                    await say(new, text)

                async def handed_over() -> bool:
                    return old.counts.get("handed_over", 0) > 0

                await together(new, old, until=handed_over)
            await say(new, "last")
            await have_heard_all(new)


@asynccontextmanager
async def worker(
    storage: Storage, clock: VirtualClock, *templates: Template[Any, Any], starts: bool = False
) -> AsyncGenerator[Driver]:
    """A worker of a release."""
    engine = Driver(storage.backend(), clock)
    for one in templates:
        engine.register(one)
    if starts:
        engine.start_on(shop.NOTES, started, build=order_of)
    async with engine.working():
        yield engine


async def say(engine: Driver, *texts: str) -> None:
    """Publish messages for each instance of the second version; the key of the topic is another."""
    messages = [shop.Paid(f"key-{id}", f"{id}:{text}") for text in texts for id in IDS]
    await engine.publish_all(shop.NOTES, messages)


async def have_heard_all(engine: Driver) -> None:
    """Each gets everything, in order, and once; and each has started what it was to start."""

    async def done() -> bool:
        ended = await engine.count(template=second.name, status=Status.COMPLETED)
        return ended == len(IDS) and await engine.count(template=started.name) == len(IDS)

    await engine.until(done)
    await engine.run_until_idle()
    found = [await engine.get_instance(id) for id in IDS]
    assert {instance.id: instance.result for instance in found} == {id: shop.Heard(id, (*SAID, "last")) for id in IDS}
    assert await engine.count(template=started.name, status=Status.EXECUTING) == len(IDS)
