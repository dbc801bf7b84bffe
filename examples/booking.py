"""A trip is booked in two phases: everything is held first, then paid, then confirmed; or else nothing is kept.

A flight, a hotel and a car are asked for side by side, over topics. A hold that is refused, or not answered within ten
minutes, fails the booking; so does a traveller who cancels. What was held until then is released, the last first. So is
what was asked for without an answer: it may have been held.

Once the trip is paid nothing is given up any more. That is why the confirmations stand behind the race.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dagger import Step, Topic, all_of, command, fail, listener, process, race, template

What = Literal["flight", "hotel", "car"]

# What is said, and what is answered.


@dataclass(frozen=True, slots=True)
class Trip:
    """What a traveller wants."""

    trip_id: str
    traveller: str
    price: int
    """In whole cents."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a provider, or the bank, is asked to do. A release of something that is not held does nothing."""

    trip_id: str
    what: What | Literal["payment"]
    do: Literal["hold", "release", "confirm", "charge", "refund"]
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The reference of what is held or paid; empty if it is refused."""

    trip_id: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The traveller does not want to go any more."""

    trip_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Something is held for a trip."""

    trip: Trip
    what: What
    reference: str


@dataclass(frozen=True, slots=True)
class Itinerary:
    """All that is held for a trip."""

    trip: Trip
    holds: tuple[Hold, ...]


class Refused(Exception):
    """A provider or the bank says no."""


def trip_of(message: Request | Answer | Cancellation) -> str:
    return message.trip_id


REQUESTS = Topic("BOOKING_REQUESTS", Request, key=trip_of)
FLIGHT_ANSWERS = Topic("FLIGHT_ANSWERS", Answer, key=trip_of)
HOTEL_ANSWERS = Topic("HOTEL_ANSWERS", Answer, key=trip_of)
CAR_ANSWERS = Topic("CAR_ANSWERS", Answer, key=trip_of)
BANK_ANSWERS = Topic("BANK_ANSWERS", Answer, key=trip_of)
CANCELLATIONS = Topic("CANCELLATIONS", Cancellation, key=trip_of)

# The first phase: everything is held.


def hold(what: What, answers: Topic[Answer]) -> Step[Trip, Hold]:
    """Ask a provider, and wait for the answer. It is undone by a release, whether the answer has come or not."""

    @command(REQUESTS)
    def ask(trip: Trip) -> Request:
        return Request(trip.trip_id, what, "hold")

    @listener(answers)
    def held(trip: Trip, answer: Answer) -> Hold:
        if not answer.reference:
            raise Refused(f"no {what}")
        return Hold(trip, what, answer.reference)

    @command(REQUESTS)
    def release(hold: Hold) -> Request:
        return Request(hold.trip.trip_id, what, "release", hold.reference)

    @command(REQUESTS)
    def release_if_held(trip: Trip) -> Request:
        return Request(trip.trip_id, what, "release")

    return process(what.upper(), ask >> held, timeout=timedelta(minutes=10)).compensate(
        release.named(f"release_{what}"),
        attempted=release_if_held.named(f"release_{what}_if_held"),
    )


def itinerary(holds: tuple[Hold, Hold, Hold]) -> Itinerary:
    return Itinerary(holds[0].trip, holds)


everything = all_of(hold("flight", FLIGHT_ANSWERS), hold("hotel", HOTEL_ANSWERS), hold("car", CAR_ANSWERS))

# The payment, which is the point of no return.


@command(REQUESTS)
def charge(trip: Itinerary) -> Request:
    return Request(trip.trip.trip_id, "payment", "charge")


@listener(BANK_ANSWERS)
def paid(trip: Itinerary, answer: Answer) -> Itinerary:
    if not answer.reference:
        raise Refused("no money")
    return trip


@command(REQUESTS)
def stop_payment(trip: Itinerary) -> Request:
    return Request(trip.trip.trip_id, "payment", "refund")


payment = process("PAYMENT", charge >> paid.on_stop(stop_payment), timeout=timedelta(minutes=30))

# A traveller may cancel until then.


@listener(CANCELLATIONS)
def cancelled(trip: Trip, message: Cancellation) -> Cancellation:
    return message


def is_cancelled(message: Cancellation) -> str:
    return f"the traveller has cancelled: {message.reason}"


# The second phase: all of it is confirmed.


@command(REQUESTS)
def confirm(trip: Itinerary) -> list[Request]:
    return [Request(trip.trip.trip_id, hold.what, "confirm", hold.reference) for hold in trip.holds]


def trip_id(trip: Trip) -> str:
    return trip.trip_id


booking_workflow = template(
    "BookingWorkflow",
    race(everything.then(itinerary) >> payment, cancelled >> fail(is_cancelled)) >> confirm,
    key=trip_id,
)
