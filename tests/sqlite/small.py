"""A small workflow with a command, a listener, a task that fails once, a time limit, and a command at the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import msgspec

from dagger import (
    Dagger,
    Retry,
    Status,
    Topic,
    any_of,
    command,
    context,
    listener,
    process,
    sleep,
    task,
    template,
)
from dagger.errors import BackendUnavailable

T = TypeVar("T")

MS: Final = timedelta(milliseconds=1)
PATIENCE_S: Final = 60.0
"""A failure limit: nothing else depends on it."""


@dataclass(frozen=True)
class Order:
    id: str


@dataclass(frozen=True)
class Note:
    id: str
    text: str


charges = Topic("SMALL_CHARGE", Note, key=lambda m: m.id)
payments = Topic("SMALL_PAID", Note, key=lambda m: m.id)
calls = Topic("SMALL_CALL", Note, key=lambda m: m.id)
parcels = Topic("SMALL_SHIP", Note, key=lambda m: m.id)


@command(charges)
def charge(order: Order) -> Note:
    return Note(order.id, "charge")


@listener(payments)
def paid(order: Order, message: Note) -> Note:
    return message


@task(retry=Retry(attempts=3, first=2 * MS))
async def check(note: Note) -> Note:
    if context().attempt == 1:
        raise ConnectionError("the first try fails")
    return Note(note.id, f"{note.text}, checked")


@listener(calls)
def called(note: Note, message: Note) -> Note:
    return message


@command(parcels)
def ship(note: Note) -> Note:
    return note


small = template(
    "Small",
    process("PAYMENT", charge >> paid, timeout=timedelta(hours=1))
    >> check
    >> any_of(called, sleep(5 * MS).named("patience")).named("call")
    >> ship,
    key=lambda order: order.id,
)

ORDERS: Final = (Order("o-1"),)


async def retry_unavailable(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again where it cannot be done now: what is asked for has an id, and may be asked for twice."""
    while True:
        try:
            return await call()
        except BackendUnavailable:
            await anyio.sleep(0.001)


async def serve(engine: Dagger) -> None:
    """The payment service."""
    async for charge in engine.subscribe(charges, group="payment"):
        answer = Note(charge.id, "paid")
        await retry_unavailable(lambda: engine.publish(payments, answer, id=f"paid-{answer.id}"))  # noqa: B023  # it is awaited


async def play(engine: Dagger, orders: Sequence[Order]) -> None:
    """What the user's programs do; all of it may be said again by a process that does not know what was said before."""
    async with anyio.create_task_group() as group:
        group.start_soon(serve, engine)
        runs = await retry_unavailable(lambda: engine.start_all(small, orders))
        for run in runs:
            await retry_unavailable(partial(engine.wait, run))
        group.cancel_scope.cancel()


async def live(url: str, orders: Sequence[Order] = ORDERS) -> None:
    """A process: it works, and plays. It comes again where the file could not be opened now."""
    engine = Dagger(url)
    engine.register(small)
    while True:
        try:
            async with engine:
                return await play(engine, orders)
        except BackendUnavailable:
            continue


class Outcome(msgspec.Struct, frozen=True):
    """What came of it: what cannot depend on what went wrong."""

    instances: list[tuple[str, Status, object, list[tuple[str, Status, int]]]]
    """Id, status, result, and path, status and attempts of each step."""
    published: list[tuple[str, str, bytes, str]]
    """Topic, key, payload and id of each message that the workflow published, as often as it is there."""


async def look(url: str, path: Path) -> Outcome:
    """What is in the file, for an engine that has just opened it."""
    engine = Dagger(url)
    engine.register(small)
    found = await engine.instances()
    await engine.aclose()
    instances = [
        (one.id, one.status, one.result, [(step.path, step.status, step.attempts) for step in one.steps])
        for one in found
    ]
    return Outcome(instances, published(path))


def published(path: Path) -> list[tuple[str, str, bytes, str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT topic, key, payload, headers FROM message WHERE topic IN (?, ?) ORDER BY topic, partition, offset",
            (charges.name, parcels.name),
        ).fetchall()
    decode = msgspec.json.Decoder(list[tuple[str, str]]).decode
    return [(topic, key, payload, dict(decode(headers))["dagger-id"]) for topic, key, payload, headers in rows]


def bury(path: Path) -> None:
    """Whoever has the file open is dead. (Its process number is that of the tests, which live.)"""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if "peer" in tables:
            for table in ("peer", "member"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("UPDATE lease SET owner = NULL")
