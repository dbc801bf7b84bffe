"""Headers that travel: from what starts an instance, or comes for it, to its tasks and to the commands that follow."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from dagger.core.state import Status
from dagger.dsl import Topic, command, listener, signal, sleep, task, template
from dagger.engine.headers import CARRIED_MAX, ID, texts_of
from dagger.engine.ports import Backend
from dagger.engine.worker.context import context
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop
from dagger.testing.contract.shop import HOUR, Order, Paid, by_id
from dagger.testing.contract.storage import Storage

BEGUN: Final = Topic("CONTRACT.begun", Order, key=by_id)
ANSWERS: Final = Topic("CONTRACT.answers", Paid, key=by_id)
TAKEN: Final = Topic("CONTRACT.taken", Paid, key=by_id)
WORKED: Final = Topic("CONTRACT.worked", Paid, key=by_id)
WOKEN: Final = Topic("CONTRACT.woken", Paid, key=by_id)
STARTS: Final = Topic("CONTRACT.starts", Order, key=by_id)


def trace(number: int) -> dict[str, str]:
    """A trace context, one for each number."""
    return {"traceparent": f"00-{number:032x}-{number:016x}-01", "tracestate": f"contract={number}"}


@task
async def tell(message: Paid) -> Paid:
    """A task that tells what headers it sees."""
    return Paid(message.id, " ".join(f"{name}={text}" for name, text in sorted(context().headers.items())))


traced = template(
    "ContractTraced",
    command(BEGUN)
    >> listener(ANSWERS)
    >> command(TAKEN)
    >> tell
    >> command(WORKED)
    >> sleep(HOUR)
    >> command(WOKEN)
    >> signal("go", Paid)
    >> command(TAKEN).named("again"),
    key=by_id,
    takes=Order,
)


class HeaderContract(ContractCase):
    """The trace context, and what else travels with a message or an instance."""

    @in_loop
    async def test_a_command_carries_the_trace_context_of_what_has_caused_it(self, storage: Storage) -> None:
        clock = VirtualClock()
        given = {**trace(1), "tenant": "blue"}
        async with Driver(storage.backend(), clock).connected() as client:
            await client.start(traced, Order("o-1"), headers=given)
            assert (await client.get_instance("o-1")).headers == given, "before a worker has begun it"
        async with _working(storage, clock) as engine:
            await engine.run_until_idle()
            assert (await engine.get_instance("o-1")).headers == given
            await engine.publish(ANSWERS, Paid("o-1", "r"), headers={**trace(2), "other": "x"})
            await engine.run_until_idle()
        clock.move_to(clock.now() + HOUR // timedelta(microseconds=1))
        async with _working(storage, clock) as engine:  # another process goes on
            await engine.run_until_idle()
            await engine.signal("o-1", "go", Paid("o-1", "s"), headers=trace(3))
            await engine.run_until_idle()
            found = await engine.get_instance("o-1")
            assert (found.status, found.headers) == (Status.COMPLETED, given)
            (begun,) = await _headers(engine.backend, BEGUN)
            taken, again = await _headers(engine.backend, TAKEN)
            (worked,) = await _headers(engine.backend, WORKED)
            (woken,) = await _headers(engine.backend, WOKEN)
            assert [begun, taken, worked, woken, again] == [trace(1), trace(2), trace(2), trace(2), trace(3)]
            (told,) = await messages_of(engine.backend, WORKED.name, {"o-1"}, "told")
            seen = {**trace(2), "tenant": "blue"}
            assert WORKED.wire.decode(told.payload or b"").receipt == " ".join(
                f"{name}={text}" for name, text in sorted(seen.items())
            )

    @in_loop
    async def test_a_message_that_starts_an_instance_gives_it_its_headers(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with _working(storage, clock) as engine:
            large = {f"large-{number}": "x" * (CARRIED_MAX // 2) for number in range(3)}
            given = {"first": "1", **large, **trace(4), "last": "2"}
            await engine.publish(STARTS, Order("o-2"), headers=given, id="m-1")
            await engine.run_until_idle()
            found = (await engine.get_instance("o-2")).headers
            assert found == {**trace(4), "first": "1", "large-0": large["large-0"], "last": "2"}
            assert await _headers(engine.backend, BEGUN, "o-2") == [trace(4)]

    @in_loop
    async def test_a_start_with_other_headers_is_the_same_start(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with _working(storage, clock) as engine:
            await engine.start(traced, Order("o-3"), headers=trace(5))
            await engine.start(traced, Order("o-3"), headers=trace(6))
            await engine.run_until_idle()
            await engine.start(traced, Order("o-3"))
            await engine.run_until_idle()
            assert (await engine.get_instance("o-3")).headers == trace(5)
            assert await _headers(engine.backend, BEGUN, "o-3") == [trace(5)]

    @in_loop
    async def test_a_message_that_came_early_keeps_its_headers(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with _working(storage, clock) as engine:
            await engine.publish(ANSWERS, Paid("o-4", "r"), headers=trace(7))
            await engine.run_until_idle()
        async with _working(storage, clock) as engine:
            await engine.start(traced, Order("o-4"), headers=trace(8))
            await engine.run_until_idle()
            assert await _headers(engine.backend, BEGUN, "o-4") == [trace(8)]
            assert await _headers(engine.backend, TAKEN, "o-4") == [trace(7)]


@asynccontextmanager
async def _working(storage: Storage, clock: VirtualClock) -> AsyncGenerator[Driver]:
    """A worker of its own."""
    engine = Driver(storage.backend(), clock)
    engine.start_on(STARTS, traced)
    async with engine.working():
        yield engine


async def _headers(backend: Backend, topic: Topic[Any], key: str = "o-1") -> list[dict[str, str]]:
    """The headers of all messages of a key, but for their ids."""
    found = [texts_of(one.headers) for one in await messages_of(backend, topic.name, {key})]
    for headers in found:
        del headers[ID]
    return found
