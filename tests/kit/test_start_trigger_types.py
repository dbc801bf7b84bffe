"""`start_on` compares what is declared: what a topic carries, what `build` takes and gives, what a template takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Protocol, TypedDict, TypeVar

import msgspec
import pytest

from dagger import RequestError, TemplateError, Topic, UnknownTemplate, codecs, sleep, template
from dagger.codecs import mismatch_of
from dagger.testing import TestEngine

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    id: str


@dataclass(frozen=True)
class Order(Event):
    total: int


@dataclass(frozen=True)
class Rush(Order):
    fee: int


@dataclass(frozen=True)
class Box(Generic[T]):
    id: str
    content: T


@dataclass(frozen=True)
class Tree:
    id: str
    below: "list[Tree]"


class Point(NamedTuple):
    x: int
    y: int


class Some(TypedDict):
    id: str


class More(TypedDict):
    id: str
    total: int


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


OrderId = NewType("OrderId", str)


class Text(str):
    __slots__ = ()


FITS: list[tuple[Any, Any]] = [
    (Order, Order),
    (Order | Rush, Order),
    (Order | Rush | None, Rush | Order),
    (Order | None, None),
    (str, OrderId),
    (OrderId, str),
    (str, Color),
    (str, Text),
    (str, Literal["a", "b"]),
    (Literal["a", "b"], Literal["b"]),
    (Color, Literal[Color.RED]),
    (bool | str, Literal[True, "a"]),
    (Literal[True, False], bool),
    (float, int),
    (Annotated[int, msgspec.Meta(gt=0)], int),
    (int, Annotated[int, msgspec.Meta(gt=0)]),
    (Box[int | str], Box[int]),
    (Box[float], Box[int]),
    (list[float], list[int]),
    (Sequence[int], tuple[int, int]),
    (Sequence[int], list[int]),
    (tuple[int, int], Point),
    (tuple[int, ...], tuple[int, int]),
    (dict[str, float], dict[str, int]),
    (dict[str, str], Some),
    (Tree, Tree),
    (Order, Any),
    (list[int], list[Any]),
    (Box[int], Box[Any]),
]
MISFITS: list[tuple[Any, Any, str]] = [
    (Order, Event, "Event"),
    (Event, Order, "Order"),
    (Order, object, "object"),
    (Order, Order | Rush, "Rush"),
    (Order, Order | None, "None"),
    (int, bool, "bool"),
    (int, float, "float"),
    (str, int, "int"),
    (date, datetime, "datetime"),
    (Literal["a"], str, "str"),
    (Literal["a"], Literal["a", "b"], "Literal['a', 'b']"),
    (Box[int], Box[str], "Box[str]"),
    (Box[int], Box[int | None], "Box[int | None]"),
    (list[int], tuple[int, ...], "tuple[int, ...]"),
    (tuple[int, int], tuple[int, ...], "tuple[int, ...]"),
    (tuple[int, int], tuple[int, int, int], "tuple[int, int, int]"),
    (More, Some, "Some"),
    (Some, More, "More"),
    (dict[str, int], More, "More"),
    (Tree, Order, "Order"),
]


@pytest.mark.parametrize(("declared", "given"), FITS, ids=str)
def test_what_fits(declared: Any, given: Any) -> None:
    assert mismatch_of(declared, given) is None


@pytest.mark.parametrize(("declared", "given", "odd"), MISFITS, ids=str)
def test_what_does_not_fit_is_named(declared: Any, given: Any, odd: str) -> None:
    assert mismatch_of(declared, given) == odd


def test_a_class_of_the_same_name_is_named_with_its_module() -> None:
    @dataclass(frozen=True)
    class Order:
        id: str

    assert mismatch_of(Order, globals()["Order"]) == f"{__name__}.Order"


orders = Topic("ORDERS", Order, key=lambda m: m.id)
rushes = Topic("RUSHES", Rush, key=lambda m: m.id)
both = Topic("BOTH", (Order, Rush), key=lambda m: m.id)


def of(takes: Any) -> Any:
    return template("T", sleep(timedelta(hours=1)), key=lambda value: value.id, takes=takes)


@pytest.mark.parametrize("topic", [rushes, both], ids=str)
def test_a_topic_whose_messages_the_template_does_not_take_is_refused(
    dagger_engine: TestEngine, topic: Topic[Any]
) -> None:
    with pytest.raises(TemplateError, match=r"template 'T' takes Order, and topic '.*' carries .*Rush.*; give build=,"):
        dagger_engine.start_on(topic, of(Order))
    with pytest.raises(UnknownTemplate):  # nothing of it was registered
        dagger_engine.get_template("T")
    assert dagger_engine.topics == {}


@pytest.mark.parametrize("topic", [orders, rushes, both], ids=str)
async def test_a_template_may_take_more(dagger_engine: TestEngine, topic: Topic[Any]) -> None:
    dagger_engine.start_on(topic, of(Order | Rush | None))
    await dagger_engine.deliver(topic, Order("o", 1) if topic is orders else Rush("o", 1, 2))
    assert [one.id for one in await dagger_engine.instances()] == ["o"]
    assert dagger_engine.dead_letters(topic) == []


async def test_a_topic_with_a_codec_of_its_own_may_carry_what_is_open(dagger_engine: TestEngine) -> None:
    class BoundCodec:
        def encode(self, value: Any, /) -> bytes:
            return codecs.json.bind(Order).encode(value)

        def decode(self, data: bytes, /) -> Any:
            return codecs.json.bind(Order).decode(data)

    class Own:
        name = "own"

        def bind(self, declared: Any, /) -> BoundCodec:
            return BoundCodec()

    anything: Any = Any
    topic = Topic("OPEN", anything, key=lambda m: m.id, codec=Own())
    dagger_engine.start_on(topic, of(Order))
    await dagger_engine.deliver(topic, Order("o", 1))
    assert [one.id for one in await dagger_engine.instances()] == ["o"]


class HasId(Protocol):
    @property
    def id(self) -> str: ...


def of_event(event: Event) -> Order:
    return Order(event.id, 1)


def of_has_id(message: HasId) -> Order:
    return Order(message.id, 1)


def of_rush_or_order(message: Order | Rush) -> Order:
    return Order(message.id, 1)


def unannotated(message, other=None):  # type: ignore[no-untyped-def]  # as users write it
    return Order(message.id, 1)


def unknown_name(message: "Nowhere") -> "Order":  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]  # as of TYPE_CHECKING
    return Order(message.id, 1)


@pytest.mark.parametrize(
    "build",
    [of_event, of_has_id, of_rush_or_order, unannotated, unknown_name, lambda message: Order(message.id, 1)],
    ids=lambda build: str(getattr(build, "__name__", build)),
)
async def test_a_build_that_fits_as_far_as_is_declared(
    dagger_engine: TestEngine, build: Callable[[Any], Order]
) -> None:
    dagger_engine.start_on(rushes, of(Order), build=build)
    await dagger_engine.deliver(rushes, Rush("o", 1, 2))
    assert (await dagger_engine.get_instance("o")).input == Order("o", 1)


def of_rush(rush: Rush) -> Order:
    return Order(rush.id, 1)


def gives_rush(order: Order) -> Rush:
    return Rush(order.id, 1, 2)


def gives_some(order: Order) -> Order | None:
    return None


async def gives_later(order: Order) -> Order:
    return order


def test_a_build_that_takes_something_else_is_refused(dagger_engine: TestEngine) -> None:
    wanted = "topic 'BOTH' carries Order | Rush, and build= 'of_rush' takes Rush; give a function that takes what"
    wrong: Any = of_rush
    with pytest.raises(TemplateError, match=wanted.replace("|", r"\|")):
        dagger_engine.start_on(both, of(Order), build=wrong)


@pytest.mark.parametrize(("build", "odd"), [(gives_rush, "Rush"), (gives_some, "None"), (Event, "Event")])
def test_a_build_that_gives_something_else_is_refused(dagger_engine: TestEngine, build: Any, odd: str) -> None:
    with pytest.raises(TemplateError, match=f"takes Order, and build= '{build.__name__}' gives .*{odd}.*; give a"):
        dagger_engine.start_on(orders, of(Order), build=build)


def test_a_build_that_is_called_otherwise_is_refused(dagger_engine: TestEngine) -> None:
    def two(order: Order, other: Order) -> Order:
        return order

    wrong: Any = two
    with pytest.raises(TemplateError, match="build= of start_on: 'two' is called with 1 argument"):
        dagger_engine.start_on(orders, of(Order), build=wrong)
    later: Any = gives_later
    with pytest.raises(RequestError, match="start_on: build= expects a function that is not async"):
        dagger_engine.start_on(orders, of(Order), build=later)
