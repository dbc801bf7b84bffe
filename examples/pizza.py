"""A pizza is ordered from the oven over topics, then delivered by a courier who is called by HTTP.

The HTTP client belongs to the engine: its `lifespan=` opens it once, and the task takes it from its context.

    engine = Dagger(lifespan=courier)
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx

from dagger import Dagger, Retry, Topic, command, context, listener, process, task, template


@dataclass(frozen=True, slots=True)
class PizzaOrder:
    """Who wants which pizza, and where."""

    number: str
    pizza: str
    address: str


@dataclass(frozen=True, slots=True)
class Bake:
    """To the oven: bake this."""

    number: str
    pizza: str


@dataclass(frozen=True, slots=True)
class Baked:
    """From the oven: it is in its box."""

    number: str
    box: int


@dataclass(frozen=True, slots=True)
class BoxedPizza:
    """A pizza that can go."""

    order: PizzaOrder
    box: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who brings it, and in how many minutes."""

    number: str
    courier: str
    minutes: int


PIZZA_COMMAND = Topic("PIZZA_COMMAND", Bake, key=lambda m: m.number)
PIZZA_LISTENER = Topic("PIZZA_LISTENER", Baked, key=lambda m: m.number)


@command(PIZZA_COMMAND)
def bake(order: PizzaOrder) -> Bake:
    """Ask the oven for it."""
    return Bake(order.number, order.pizza)


@listener(PIZZA_LISTENER)
def baked(order: PizzaOrder, message: Baked) -> BoxedPizza:
    """Wait until it is baked."""
    return BoxedPizza(order, message.box)


@task(retry=Retry(attempts=4, first=timedelta(seconds=5), on=httpx.HTTPError), timeout=timedelta(seconds=30))
async def deliver(pizza: BoxedPizza) -> Delivery:
    """Call a courier. The key lets the courier's service recognise a call that is made again."""
    here = context()
    answer = await here.resource(httpx.AsyncClient).post(
        "/deliveries",
        json={"box": pizza.box, "address": pizza.order.address},
        headers={"Idempotency-Key": here.idempotency_key},
    )
    found = answer.raise_for_status().json()
    return Delivery(pizza.order.number, found["courier"], found["minutes"])


pizza_workflow = template(
    "PizzaWorkflow",
    process("ORDER", bake >> baked) >> process("DELIVERY", deliver),
    key=lambda order: order.number,
)


@asynccontextmanager
async def courier(engine: Dagger) -> AsyncGenerator[httpx.AsyncClient]:
    """The client of the courier's service at COURIER_URL, open as long as the engine."""
    url = os.environ.get("COURIER_URL", "http://localhost:8080")
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client
