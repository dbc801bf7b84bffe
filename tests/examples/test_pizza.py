"""The pizza workflow: its HTTP client is replaced by one that answers from a function."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import httpx
import pytest

from dagger import Dagger, Status
from dagger.testing import TestEngine
from examples.pizza import (
    PIZZA_COMMAND,
    PIZZA_LISTENER,
    Bake,
    Baked,
    Delivery,
    PizzaOrder,
    courier,
    pizza_workflow,
)

ORDER = PizzaOrder("p-1", "Margherita", "Kerkstraat 3")


class CourierService:
    """Answers each call with the next of its answers, and remembers the calls.

    The last answer stays: a call may be repeated, as by a worker that takes over.
    """

    def __init__(self) -> None:
        self.answers = [httpx.Response(200, json={"courier": "Femi", "minutes": 20})]
        self.calls = list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @asynccontextmanager
    async def client(self, engine: Dagger) -> AsyncGenerator[httpx.AsyncClient]:
        transport = httpx.MockTransport(self)
        async with httpx.AsyncClient(transport=transport, base_url="http://courier") as client:
            yield client


@pytest.fixture
def service() -> CourierService:
    return CourierService()


@pytest.fixture
def engine(service: CourierService) -> TestEngine:
    return TestEngine(lifespan=service.client)


async def test_a_pizza_is_baked_and_delivered(engine: TestEngine) -> None:
    run = await engine.start(pizza_workflow, ORDER)
    assert engine.sent(PIZZA_COMMAND) == [Bake("p-1", "Margherita")]
    await engine.deliver(PIZZA_LISTENER, Baked("p-1", 4))
    assert run.result == Delivery("p-1", "Femi", 20)


async def test_a_courier_who_is_busy_is_called_again(engine: TestEngine, service: CourierService) -> None:
    service.answers.insert(0, httpx.Response(503))
    run = await engine.start(pizza_workflow, ORDER)
    await engine.deliver(PIZZA_LISTENER, Baked("p-1", 4))
    assert len(service.calls) == 1
    await engine.advance(timedelta(seconds=5))
    assert run.status is Status.COMPLETED
    first, second = service.calls
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


async def test_a_courier_who_never_answers_fails_the_order(engine: TestEngine, service: CourierService) -> None:
    service.answers = [httpx.Response(503)] * 4
    run = await engine.start(pizza_workflow, ORDER)
    await engine.deliver(PIZZA_LISTENER, Baked("p-1", 4))
    await engine.advance(timedelta(minutes=5))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("DELIVERY/deliver: HTTPStatusError: ")
    assert len(service.calls) == 4


def test_the_client_of_production_knows_where_the_service_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURIER_URL", "http://courier.example")

    async def url() -> str:
        async with courier(Dagger()) as client:
            return str(client.base_url)

    assert anyio.run(url) == "http://courier.example"
