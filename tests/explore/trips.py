"""A workflow of each kind, and a scenario that goes through it, for the exploration to disturb."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from dagger import (
    Again,
    Failure,
    Retry,
    Template,
    Topic,
    all_of,
    any_of,
    at_least,
    command,
    context,
    for_each,
    keep,
    listener,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)
from dagger.testing import TestEngine, hang

A = TypeVar("A")

Scenario = Callable[[TestEngine], Awaitable[object]]
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Trip:
    id: str
    nights: int = 1
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    id: str
    what: str


@dataclass(frozen=True)
class Told:
    id: str
    what: str


@dataclass(frozen=True)
class Booked:
    trip: Trip
    what: tuple[str, ...]


def by_id(trip: Trip) -> str:
    return trip.id


asks = Topic("ASKS", Ask, key=lambda m: m.id)
hotels = Topic("HOTELS", Told, key=lambda m: m.id)
flights = Topic("FLIGHTS", Told, key=lambda m: m.id)


@command(asks)
def ask_hotel(trip: Trip) -> Ask:
    return Ask(trip.id, "hotel")


@listener(hotels)
def hotel(trip: Trip, message: Told) -> Booked:
    return Booked(trip, (message.what,))


@command(asks)
def ask_flight(booked: Booked) -> Ask:
    return Ask(booked.trip.id, "flight")


@listener(flights)
def flight(booked: Booked, message: Told) -> Booked:
    return Booked(booked.trip, (*booked.what, message.what))


conversation = template("Conversation", ask_hotel >> hotel >> ask_flight >> flight, key=by_id)


async def talk(engine: TestEngine) -> None:
    await engine.start(conversation, Trip("t-1"))
    await engine.deliver(hotels, Told("t-1", "sea view"))
    await engine.deliver(flights, Told("t-1", "window"))


async def talk_by_uuid(engine: TestEngine) -> None:
    """The instance is found through a subscription to its key."""
    await engine.start(conversation, Trip("t-1"), id=uuid.uuid4())
    await engine.deliver(hotels, Told("t-1", "sea view"))
    await engine.deliver(flights, Told("t-1", "window"))


async def talk_at_cross_purposes(engine: TestEngine) -> None:
    """Two instances of one key, and messages before and between the starts."""
    await engine.deliver(flights, Told("t-1", "window"))
    await engine.start(conversation, Trip("t-1"), id="one")
    await engine.deliver(hotels, Told("t-1", "sea view"))
    await engine.start(conversation, Trip("t-2"))
    await engine.deliver(hotels, Told("t-2", "garden"))
    await engine.deliver(flights, Told("t-2", "aisle"))


# Tasks.


class NoRoom(Exception):
    pass


@task(retry=Retry(attempts=3, first=MINUTE))
async def reserve(trip: Trip) -> Booked:
    if context().attempt < 3:
        raise NoRoom(f"try {context().attempt}")
    return Booked(trip, (context().idempotency_key,))


@task
def print_ticket(booked: Booked) -> Booked:
    return Booked(booked.trip, (*booked.what, "ticket"))


@task(timeout=HOUR)
async def call_the_hotel(trip: Trip) -> Booked:
    await hang()
    return Booked(trip, ())


@task
async def refuse(trip: Trip) -> Booked:
    raise NoRoom(trip.id)


@task
async def apologise(failure: Failure[Trip]) -> Booked:
    return Booked(failure.input, (failure.path, failure.error))


tries = template("Tries", reserve >> print_ticket, key=by_id)
recovers = template("Recovers", process("BOOK", call_the_hotel).recover(apologise) >> print_ticket, key=by_id)
fails = template("Fails", ask_hotel >> refuse, key=by_id)


# Time.


def stay_at_home(trip: Trip) -> Booked:
    return Booked(trip, ("home",))


@wait_until
def next_morning(booked: Booked) -> datetime:
    return datetime.fromisoformat("2030-01-02T06:00:00+01:00")


waits = template(
    "Waits",
    process("HOTEL", ask_hotel >> hotel, timeout=HOUR, otherwise=stay_at_home) >> sleep(MINUTE) >> next_morning,
    key=by_id,
)


# Groups.


@task
async def seat(trip: Trip) -> str:
    return f"{trip.id} seat"


@task
def meal(trip: Trip) -> str:
    return f"{trip.id} meal"


@listener(hotels)
def room(trip: Trip, message: Told) -> str:
    return message.what


@listener(flights)
def plane(trip: Trip, message: Told) -> str:
    return message.what


@task
async def wait_for_ever(trip: Trip) -> str:
    await hang()
    return ""


together = template("Together", all_of(seat, meal, room, plane), key=by_id)
most = template("Most", at_least(3, room, seat, wait_for_ever, meal), key=by_id)
race = template("Race", any_of(room, plane), key=by_id)


@task
async def visit(stop: str) -> str:
    return stop.upper()


def stops_of(trip: Trip) -> list[str]:
    return list(trip.stops)


@command(asks)
def tell(stop: str) -> Ask:
    return Ask(stop, "arrived")


tour = template("Tour", for_each(stops_of, visit, limit=2), key=by_id)
telling = template("Telling", for_each(stops_of, visit >> tell), key=by_id)


def length(trip: Trip) -> Literal["short", "long"]:
    return "short" if trip.nights < 3 else "long"


chooses = template("Chooses", switch(length).case("short", seat).case("long", room), key=by_id)


# Messages, several of them.


@dataclass(frozen=True)
class Offers:
    trip: Trip
    what: tuple[str, ...] = ()


@listener(hotels)
def collect(offers: Offers, message: Told) -> Offers | Again[Offers]:
    more = Offers(offers.trip, (*offers.what, message.what))
    return more if len(more.what) == 3 else Again(more)


collects = template("Collects", collect, key=lambda offers: offers.trip.id)


def first_stop(trip: Trip) -> str:
    return trip.stops[0]


@listener(flights, on=first_stop)
def via(trip: Trip, message: Told) -> str:
    return message.what


def first_stop_of(booked: Booked) -> str:
    return booked.trip.stops[0]


@listener(hotels, on=first_stop)
def arrive(trip: Trip, message: Told) -> Booked:
    return Booked(trip, (message.what,))


@listener(hotels, on=first_stop_of)
def leave(booked: Booked, message: Told) -> Booked:
    return Booked(booked.trip, (*booked.what, message.what))


correlates = template("Correlates", via, key=by_id)
stays = template("Stays", arrive >> print_ticket >> leave, key=by_id)

agree = signal("agree", str)


@agree
def agreed(trip: Trip, who: str) -> Booked:
    return Booked(trip, (who,))


@signal("vote", str)
def count(offers: Offers, vote: str) -> Offers | Again[Offers]:
    more = Offers(offers.trip, (*offers.what, vote))
    return more if len(more.what) == 3 else Again(more)


votes = template("Votes", count, key=lambda offers: offers.trip.id)
signs = template("Signs", ask_hotel >> agreed >> flight, key=by_id)


# Their scenarios.


def started(of: Template[A, Any], value: A, *then: timedelta | str | tuple[Topic[Told], Told]) -> Scenario:
    """Start an instance; then let time pass, send signals, and deliver messages."""

    async def scenario(engine: TestEngine) -> None:
        run = await engine.start(of, value)
        for what in then:
            if isinstance(what, timedelta):
                await engine.advance(what)
            elif isinstance(what, str):
                await engine.signal(run, what, "me")
            else:
                await engine.deliver(*what)
        assert run.status.is_end

    return scenario


TRIP = Trip("t-1", 2, ("Rome", "Bari", "Lecce"))
HOTEL = (hotels, Told("t-1", "sea view"))
FLIGHT = (flights, Told("t-1", "window"))


async def start_by_message(engine: TestEngine) -> None:
    engine.start_on(trips, conversation)
    await engine.deliver(trips, Trip("t-1"))
    await engine.deliver(flights, Told("t-1", "window"))
    await engine.deliver(hotels, Told("t-1", "sea view"))


trips = Topic("TRIPS", Trip, key=by_id)


async def collect_early(engine: TestEngine) -> None:
    """The first message comes before the instance."""
    await engine.deliver(hotels, Told("t-1", "a"))
    await engine.start(collects, Offers(TRIP))
    await engine.deliver(hotels, Told("t-1", "b"))
    await engine.deliver(hotels, Told("t-1", "c"))


async def vote_three_times(engine: TestEngine) -> None:
    run = await engine.start(votes, Offers(TRIP))
    for vote in ("yes", "no", "maybe"):
        await engine.signal(run, "vote", vote)


# Undoing.


def first_of(kept: tuple[Trip, str]) -> Trip:
    return kept[0]


@task
async def hold_room(trip: Trip) -> str:
    return f"{trip.id} room"


@command(asks)
def give_back(held: str) -> Ask:
    return Ask("t-1", f"give back {held}")


@listener(hotels)
def given_back(held: str, message: Told) -> str:
    return message.what


@task(retry=Retry(attempts=2, first=MINUTE))
async def find_out(trip: Trip) -> str:
    if context().attempt < 2:
        raise NoRoom("busy")
    return "not booked"


@command(asks)
def call_off(trip: Trip) -> Ask:
    return Ask(trip.id, "call off")


room_held = keep(hold_room.compensate(give_back >> given_back)).then(first_of)
saga = template(
    "Saga",
    room_held
    >> all_of(ask_hotel.compensate(call_off.named("no_hotel")), refuse.compensate(print_ticket, attempted=find_out)),
    key=by_id,
)
stopped_saga = template("Stopped", room_held >> plane.on_stop(call_off), key=by_id)


async def stop_it(engine: TestEngine) -> None:
    run = await engine.start(stopped_saga, TRIP)
    await engine.advance(MINUTE)
    await engine.stop(run)
    await engine.deliver(*HOTEL)


SCENARIOS: dict[str, tuple[Template[Any, Any], Scenario]] = {
    "conversation": (conversation, talk),
    "subscription": (conversation, talk_by_uuid),
    "two of one key": (conversation, talk_at_cross_purposes),
    "started by a message": (conversation, start_by_message),
    "retries": (tries, started(tries, TRIP, HOUR)),
    "recover": (recovers, started(recovers, TRIP, 2 * HOUR)),
    "failure": (fails, started(fails, TRIP)),
    "timeout": (waits, started(waits, TRIP, 2 * HOUR, timedelta(days=2))),
    "in time": (waits, started(waits, TRIP, HOTEL, timedelta(days=2))),
    "all": (together, started(together, TRIP, HOTEL, FLIGHT)),
    "at least": (most, started(most, TRIP, HOTEL)),
    "for each": (tour, started(tour, TRIP)),
    "for each, telling": (telling, started(telling, TRIP)),
    "switch, short": (chooses, started(chooses, TRIP)),
    "switch, long": (chooses, started(chooses, Trip("t-1", 9), HOTEL)),
    "again": (collects, started(collects, Offers(TRIP), *[(hotels, Told("t-1", n)) for n in "abc"])),
    "early message": (collects, collect_early),
    "computed key": (correlates, started(correlates, TRIP, (flights, Told("Rome", "window")))),
    "one key twice": (stays, started(stays, TRIP, (hotels, Told("Rome", "in")), (hotels, Told("Rome", "out")))),
    "signals": (votes, vote_three_times),
    "saga": (saga, started(saga, TRIP, 2 * MINUTE, HOTEL)),
    "stop": (stopped_saga, stop_it),
    "signal": (signs, started(signs, TRIP, "agree", FLIGHT)),
}
