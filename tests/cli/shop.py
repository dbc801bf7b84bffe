"""A module with an engine, as a user has one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dagger import Dagger, Topic, listener, signal, template

NO_ENGINE = 7
LIFESPANS = list[str]()


@dataclass(frozen=True)
class Order:
    order_id: str


@dataclass(frozen=True)
class Paid:
    order_id: str
    receipt: str


@dataclass(frozen=True)
class Word:
    text: str
    loud: bool = False


payments = Topic("PAYMENTS", Paid, key=lambda m: m.order_id)


@listener(payments)
def paid(order: Order, message: Paid) -> str:
    return f"{order.order_id} {message.receipt}"


@signal("say", Word)
def said(before: str, word: Word) -> str:
    return f"{before} {word.text.upper() if word.loud else word.text}"


@signal("fail", Word)
def failed(order: Order, word: Word) -> str:
    raise ValueError(word.text)


order = template("Order", paid >> said, key=lambda order: order.order_id)


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncGenerator[None]:
    LIFESPANS.append("open")
    yield


engine = Dagger("sqlite:///cli.db", lifespan=lifespan)
engine.register(order)
failing = template("Wrong", failed, key=lambda order: order.order_id)
engine.register(failing)

in_memory = Dagger()
in_memory.register(order)
