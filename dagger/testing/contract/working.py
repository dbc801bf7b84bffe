"""What tasks may do on a backend: whatever it is, it ends their own try, and a worker is never taken by surprise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger.core.state import Status
from dagger.dsl import Limit, Retry, command, for_each, task, template
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver
from dagger.testing.contract.harness import in_loop
from dagger.testing.contract.injected_faults import InjectedFault, InterceptedBackend
from dagger.testing.contract.storage import Storage

MINUTE = timedelta(minutes=1)


def interrupts(order: shop.Order) -> shop.Order:
    """As a Ctrl-C would, and none is."""
    raise KeyboardInterrupt


def exits(order: shop.Order) -> shop.Order:
    """As a program does that is done."""
    raise SystemExit(0)


def cancels(order: shop.Order) -> shop.Order:
    """Whoever calls."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return order


def cancels_late(order: shop.Order) -> shop.Order:
    """Whoever calls, when it has returned."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_soon(task.cancel)
    return order


ODD = [interrupts, exits, cancels, cancels_late]


class TaskContract(ContractCase):
    """How tasks and pure functions are called, from process to process."""

    @in_loop
    async def test_what_was_stored_before_a_commit_that_could_not_be_done_is_shown(
        self, storage: Storage, caplog: pytest.LogCaptureFixture
    ) -> None:
        @command(shop.CHARGES)
        def fails(order: shop.Order) -> shop.Charge:
            raise shop.Jammed(order.id)

        for name, step, status in (("Charges", shop.charge, Status.COMPLETED), ("Fails", fails, Status.FAILURE)):
            fault = InjectedFault("unavailable", 0)
            engine = Driver(InterceptedBackend(storage.backend(), fault), VirtualClock())
            shows = engine.register(template(f"Contract{name}", step, key=shop.by_id))
            async with engine.working():
                run = await engine.start(shows, shop.Order(name))
                while not run.status.is_end:  # by what it is shown: nobody looks
                    if not await engine.step():
                        await engine.backend.log.wait()
                assert fault.struck
                assert run.status is status
        assert sum(one.getMessage().startswith("Fails has ended as FAILURE") for one in caplog.records) == 1

    @in_loop
    async def test_whatever_users_functions_do_the_worker_goes_on(self, storage: Storage) -> None:
        clock = VirtualClock()
        for number, odd in enumerate(ODD):
            tasks = [task(run_async(odd)).named("in-loop"), task(odd).named("in-thread")]
            pure: Any = command(shop.ORDERS)(odd)
            async with Driver(storage.backend(), clock).working() as engine:
                for place, step in enumerate([*tasks, pure]):
                    body: Any = step
                    odd_one = template(f"Contract{odd.__name__}{place}", body, key=shop.by_id, takes=shop.Order)
                    run = await engine.start(odd_one, shop.Order(f"odd-{number}-{place}"))
                    await engine.finish(run)
                    late = odd is cancels_late and place == 0
                    assert run.status is (Status.COMPLETED if late else Status.FAILURE)
                nap = await engine.start(shop.naps, shop.Order(f"nap-{number}"))
                await engine.finish(nap)
                assert nap.status is Status.COMPLETED

    @in_loop
    async def test_a_failure_is_kept_with_its_traceback(self, storage: Storage) -> None:
        clock = VirtualClock()
        fails = template("ContractFails", task(retry=Retry(attempts=2))(jam), key=shop.by_id)
        async with Driver(storage.backend(), clock).working() as engine:
            await engine.finish(await engine.start(fails, shop.Order("f-1")))
        async with Driver(storage.backend(), clock).connected() as client:
            client.register(fails)
            found = await client.get_instance("f-1")
            assert found.error is not None
            assert str(found.error) == "jam: Jammed: f-1"
            assert "in jam" in found.error.traceback
            assert found.step("jam").error == found.error

    @in_loop
    async def test_a_task_that_is_taken_over_has_all_of_its_timeout(self, storage: Storage) -> None:
        clock = VirtualClock()
        calls = list[str]()

        async def hangs(order: shop.Order) -> int:
            calls.append(order.id)
            await anyio.sleep_forever()
            return 0

        retry = Retry(attempts=2, first=MINUTE, on=ConnectionError)
        hanging = template("ContractHangs", task(timeout=shop.HOUR, retry=retry)(hangs), key=shop.by_id)
        async with Driver(storage.backend(), clock).working() as engine:
            await engine.start(hanging, shop.Order("h-1"))
            await engine.until(called(calls, 1))
        engine.advance(shop.HOUR / 2)
        async with Driver(storage.backend(), clock).working() as engine:
            run = await engine.start(hanging, shop.Order("h-1"))
            await engine.until(called(calls, 2))
            began = clock.now()
            await engine.finish(run, hanging=True)
            assert str(run.error) == "hangs: TimeoutError: took longer than 1 hour"
            assert clock.now() - began == (2 * shop.HOUR + MINUTE) // timedelta(microseconds=1)
        assert calls == ["h-1"] * 3

    @in_loop
    async def test_after_a_take_over_no_more_tasks_begin_than_may_run(self, storage: Storage) -> None:
        clock = VirtualClock()
        begun = list[int]()
        go = anyio.Event()
        live = most = 0

        async def work(item: int) -> int:
            nonlocal live, most
            live, most = live + 1, max(most, live + 1)
            begun.append(item)
            try:
                await go.wait()
            finally:
                live -= 1
            return item

        many = template("ContractMany", for_each(forty, task(limit=Limit("contract", 3))(work)), key=shop.by_id)
        for bound, most_at_once in ((5, 3), (2, 2), (100, 3)):
            begun.clear()
            most = 0
            async with Driver(storage.backend(), clock, tasks=bound).working() as engine:
                run = await engine.start(many, shop.Order("m-1"))
                await engine.until(called(begun, most_at_once))
                for _ in range(10):
                    await engine.step()
                    await anyio.lowlevel.checkpoint()
                assert begun == list(range(most_at_once))
                if bound == 100:
                    go.set()
                    await engine.finish(run)
                    assert run.result == list(range(40))
            assert most == most_at_once


def forty(order: shop.Order) -> list[int]:
    """The items."""
    return list(range(40))


def run_async(odd: Callable[[shop.Order], shop.Order]) -> Any:
    """The same as a function that is awaited."""

    async def call(order: shop.Order) -> shop.Order:
        return odd(order)

    return call


async def jam(order: shop.Order) -> int:
    """Fails, each time."""
    raise shop.Jammed(order.id)


def called(calls: list[Any], count: int) -> Any:
    """Whether a function was called so often."""

    async def done() -> bool:
        return len(calls) >= count

    return done
