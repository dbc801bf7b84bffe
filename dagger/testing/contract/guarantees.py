"""The guarantees of an engine on a backend, by their numbers; with a fault at every place they are in `crashes`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import anyio

from dagger.core.state import Status
from dagger.dsl import for_each, sleep, task, template
from dagger.engine.worker.timers import DUE_MAX
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.bad_messages import DeadLetterContract, process
from dagger.testing.contract.crashes import outcome
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop
from dagger.testing.contract.injected_faults import InjectedFault, InterceptedBackend
from dagger.testing.contract.storage import Storage

MOMENT = timedelta(microseconds=1)
kept = template("ContractKept", sleep(shop.HOUR), key=shop.by_id, takes=shop.Order)
"""Most workers of these tests lack it."""


class GuaranteeContract(DeadLetterContract):
    """What users are promised; each test opens the storage anew after every event."""

    # 1. An accepted submission is never lost, and is started once, however often it is sent again.

    @in_loop
    async def test_1_what_is_accepted_while_nobody_works_is_carried_out(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with Driver(storage.backend(), clock).connected() as client:
            runs = [await client.start(shop.hears, shop.Heard(f"h-{number}")) for number in range(20)]
            await client.publish_all(shop.NOTES, [shop.Paid(run.id, "last") for run in runs])
        async with process(storage, clock) as engine:
            await engine.run_until_idle()
            assert await statuses(engine, [run.id for run in runs]) == {Status.COMPLETED}

    @in_loop
    async def test_1_what_is_sent_again_is_started_once(self, storage: Storage) -> None:
        clock = VirtualClock()
        for _ in range(3):
            async with process(storage, clock) as engine:
                for _ in range(3):
                    await engine.start(shop.order, shop.Order("o-1"))
                await engine.run_until_idle()
        async with process(storage, clock) as engine:
            await engine.publish(shop.PAYMENTS, shop.Paid("o-1", "r"))
            await engine.finish(await engine.start(shop.order, shop.Order("o-1")))
            await engine.start(shop.order, shop.Order("o-1"))
            await engine.run_until_idle()
            assert await engine.count(template="ContractOrder") == 1
            for topic in (shop.CHARGES, shop.SHIPMENTS):
                assert len(await messages_of(engine.backend, topic.name, {"o-1"})) == 1

    @in_loop
    async def test_1_a_message_that_comes_again_starts_an_instance_once(self, storage: Storage) -> None:
        clock = VirtualClock()
        for _ in range(3):
            async with process(storage, clock) as engine:
                await engine.publish(shop.ORDERS, shop.Order("o-1"))
                await engine.run_until_idle()
                assert await engine.count() == 1
        async with process(storage, clock) as engine:
            assert len(await messages_of(engine.backend, shop.CHARGES.name, {"o-1"})) == 1

    @in_loop
    async def test_1_an_instance_whose_first_step_is_too_large_fails(self, storage: Storage) -> None:
        """It has no record yet in which that could be noted."""

        def pages(order: shop.Order) -> list[bytes]:
            return [bytes(100_000)] * (size_max // 100_000 + 1)

        @task
        async def read(page: bytes) -> int:
            return len(page)

        large = template("ContractLarge", for_each(pages, read), key=shop.by_id)
        async with process(storage, VirtualClock()) as engine:
            size_max = engine.backend.size_max
            runs = [await engine.start(large, shop.Order("o-1")), await engine.start(shop.order, shop.Order("o-2"))]
            await engine.run_until_idle()
            found = await engine.get_instance("o-1")
            assert (found.status, found.input) == (Status.FAILURE, shop.Order("o-1"))
            assert str(found.error).startswith("TooLarge: ")
            assert runs[1].status is Status.EXECUTING
            assert await engine.count() == 2

    # 3. A message is applied at most once, and at least once if it matches; those of one key in their order.

    @in_loop
    async def test_3_messages_are_applied_once_and_in_their_order(self, storage: Storage) -> None:
        clock = VirtualClock()
        texts = ["a", "b", "b", "c", "a", "last"]
        async with process(storage, clock) as engine:
            await engine.start(shop.hears, shop.Heard("h-1"))
            await engine.run_until_idle()
        for text in texts:
            async with process(storage, clock) as engine:
                await engine.publish(shop.NOTES, shop.Paid("h-1", text), id=text)
                await engine.run_until_idle()
        async with process(storage, clock) as engine:
            assert (await engine.get_instance("h-1")).result == shop.Heard("h-1", ("a", "b", "c", "last"))

    @in_loop
    async def test_3_messages_that_nobody_named_are_each_applied(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with process(storage, clock) as engine:
            run = await engine.start(shop.hears, shop.Heard("h-1"))
            for text in ("a", "b", "a", "a", "last"):
                await engine.publish(shop.NOTES, shop.Paid("h-1", text))
            await engine.finish(run)
            assert run.result == shop.Heard("h-1", ("a", "b", "a", "a", "last"))

    @in_loop
    async def test_3_early_messages_are_kept_in_their_order(self, storage: Storage) -> None:
        clock = VirtualClock()
        for text in ("a", "b", "c", "last"):
            async with process(storage, clock) as engine:
                await engine.publish(shop.NOTES, shop.Paid("h-1", text))
                await engine.run_until_idle()
        async with process(storage, clock) as engine:
            run = await engine.start(shop.hears, shop.Heard("h-1"))
            await engine.finish(run)
            assert run.result == shop.Heard("h-1", ("a", "b", "c", "last"))

    def test_3_records_that_come_again_are_applied_once(self, storage: Storage) -> None:
        """Every commit in turn is refused: what it was for comes again."""
        for number in range(1_000):
            storage.wipe()
            fault = InjectedFault("fenced", number)
            assert anyio.run(hear_all, storage, fault) == ("a", "b", "b", "c", "last"), fault.struck
            if not fault.struck:
                break

    # 4. Every message that is published carries a deterministic id.

    def test_4_what_is_published_has_the_same_ids_each_time(self, storage: Storage) -> None:
        first = anyio.run(outcome, storage, InjectedFault("fenced", 1_000_000))
        storage.wipe()
        second = anyio.run(outcome, storage, InjectedFault("fenced", 1_000_000))
        assert first.published == second.published
        ids = [id for _, _, _, id in first.published]
        assert len(set(ids)) == len(ids) == 6

    # 5. A timer fires once, and not before its time.

    @in_loop
    async def test_5_a_timer_fires_at_its_time_and_once(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with process(storage, clock) as engine:
            await engine.start(shop.naps, shop.Order("n-1"))
            await engine.run_until_idle()
            started = clock.time
        clock.move_to(clock.now() + shop.HOUR // MOMENT - 1)
        async with process(storage, clock) as engine:
            await engine.run_until_idle()
            assert (await engine.get_instance("n-1")).status is Status.EXECUTING
            engine.advance(MOMENT)
            await engine.run_until_idle()
            ended = await engine.get_instance("n-1")
            assert (ended.status, ended.ended) == (Status.COMPLETED, started + shop.HOUR)
        clock.move_to(clock.now() + shop.HOUR // MOMENT)
        async with process(storage, clock) as engine:
            await engine.run_until_idle()
            assert await engine.get_instance("n-1") == ended

    @in_loop
    async def test_5_a_timer_whose_time_passes_while_nobody_works_fires(self, storage: Storage) -> None:
        clock = VirtualClock()
        ids = [f"n-{number}" for number in range(20)]
        async with process(storage, clock) as engine:
            for id in ids:
                await engine.start(shop.naps, shop.Order(id))
                engine.advance(MOMENT)
            await engine.run_until_idle()
        clock.move_to(clock.now() + 24 * shop.HOUR // MOMENT)
        async with process(storage, clock) as engine:
            await engine.run_until_idle()
            assert await statuses(engine, ids) == {Status.COMPLETED}

    @in_loop
    async def test_5_timers_that_nobody_can_serve_do_not_keep_others_from_firing(self, storage: Storage) -> None:
        clock = VirtualClock()
        many = [shop.Order(f"k-{number}") for number in range(DUE_MAX + 1)]
        async with process(storage, clock) as engine:
            await engine.start_all(kept, many)
            await engine.run_until_idle()
            engine.advance(MOMENT)  # theirs are the earliest
            await engine.start(shop.naps, shop.Order("n-1"))
            await engine.run_until_idle()
        clock.move_to(clock.now() + 2 * shop.HOUR // MOMENT)
        async with process(storage, clock) as engine:  # one that lacks their template

            async def fired() -> bool:
                return await statuses(engine, ["n-1"]) == {Status.COMPLETED}

            await engine.until(fired)
        async with process(storage, clock) as engine:
            engine.register(kept)

            async def all_fired() -> bool:
                return await engine.count(template=kept.name, status=Status.COMPLETED) == len(many)

            await engine.until(all_fired)

    # 6. A task runs at least once; its result is recorded once.

    @in_loop
    async def test_6_a_task_that_was_cut_off_runs_again(self, storage: Storage) -> None:
        runs = list[str]()
        begun = anyio.Event()

        @task
        async def work(order: shop.Order) -> int:
            runs.append(order.id)
            if len(runs) == 1:
                begun.set()
                await anyio.sleep_forever()
            return len(runs)

        works = template("ContractWorks", work, key=shop.by_id)
        clock = VirtualClock()
        async with process(storage, clock) as engine:
            await engine.start(works, shop.Order("w-1"))
            while not begun.is_set():
                if not await engine.step():
                    await engine.rest()
        for _ in range(2):
            async with process(storage, clock) as engine:
                run = await engine.start(works, shop.Order("w-1"))
                await engine.finish(run)
                await engine.run_until_idle()
                assert (run.result, run.step("work").attempts) == (2, 1)
        assert runs == ["w-1", "w-1"]

    @in_loop
    async def test_6_a_result_that_the_log_cannot_take_now_is_recorded_later(self, storage: Storage) -> None:
        runs = list[str]()

        @task
        async def work(order: shop.Order) -> int:
            runs.append(order.id)
            return len(runs)

        fault = InjectedFault("unavailable", 1, "append")  # the first append is the start
        engine = Driver(InterceptedBackend(storage.backend(), fault), VirtualClock())
        async with engine.working():
            run = await engine.start(template("ContractWorks", work, key=shop.by_id), shop.Order("w-1"))
            await engine.finish(run)
            assert (run.result, runs) == (1, ["w-1"])
        assert fault.struck


async def statuses(engine: Driver, ids: Sequence[str]) -> set[Status]:
    """How these instances stand."""
    return {(await engine.get_instance(id)).status for id in ids}


async def hear_all(storage: Storage, fault: InjectedFault) -> tuple[str, ...]:
    """What an instance has heard at the end, of messages without an id of their own."""
    engine = Driver(InterceptedBackend(storage.backend(), fault), VirtualClock())
    async with engine.working():
        run = await engine.start(shop.hears, shop.Heard("h-1"))
        for text in ("a", "b", "b", "c", "last"):
            await engine.publish(shop.NOTES, shop.Paid("h-1", text))
            await engine.step()
        await engine.finish(run)
        return run.result.texts
