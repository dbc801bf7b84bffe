"""Types of every kind that can be stored, at the level of a module as users write them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
from typing_extensions import override

T = TypeVar("T")

OrderId = NewType("OrderId", str)
Positive = Annotated[int, msgspec.Meta(gt=0)]


class Zone(tzinfo):
    """A zone of a class of the user's."""

    @override
    def dst(self, at: datetime | None, /) -> None:
        return None

    @override
    def tzname(self, at: datetime | None, /) -> None:
        return None


class Offset(Zone):
    """A fixed offset, as libraries have them."""

    def __init__(self, seconds: int = 0) -> None:
        self.seconds = seconds

    @override
    def utcoffset(self, at: datetime | None, /) -> timedelta:
        return timedelta(seconds=self.seconds)


class Unnamed(Zone):
    """A zone that has no name to be found by again."""

    @override
    def utcoffset(self, at: datetime | None, /) -> timedelta | None:
        return None if at is None else timedelta(hours=1)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Shade(enum.StrEnum):
    DARK = "dark"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(enum.Enum):
    """Its values are neither str nor int, which msgspec refuses."""

    ORIGIN = (0, 0)
    UNIT = (1, 1)


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclass(frozen=True)
class Charge:
    order_id: str
    total: int


@dataclass(frozen=True)
class Refund:
    order_id: str
    total: int


@dataclass(frozen=True)
class Visit:
    who: str
    at: datetime
    opens: time | None = None
    notes: dict[datetime, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancelled:
    pass


@dataclass
class Basket:
    owner: str
    lines: list[Charge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Price:
    amount: float
    at: datetime | None = None


@dataclass(frozen=True)
class Payment:
    """A union of classes in a field, in a container, in a tuple, as the values and as the keys of a dict."""

    last: Charge | Refund | None
    all: tuple[Charge | Refund, ...] = ()
    pair: tuple[int, Charge | Refund] | None = None
    note: str = "none"


@dataclass
class Ledger:
    entries: list[Charge | Refund]
    by_day: dict[str, Charge | Refund]
    by_entry: dict[Charge | Refund, int]
    seen: frozenset[Charge | Refund]


@dataclass(frozen=True)
class Node:
    value: int
    next: Node | None = None


@dataclass(frozen=True)
class Leaf:
    value: int


@dataclass(frozen=True)
class Branch:
    left: Leaf | Branch
    right: Leaf | Branch


@dataclass(frozen=True)
class Box(Generic[T]):
    item: T


@dataclass(frozen=True)
class IntBox(Box[int]):
    label: str


@dataclass(frozen=True)
class Doubled(Generic[T]):
    boxes: tuple[Box[T], Box[list[T]]]


@dataclass
class Derived:
    """A field that is not given to __init__, and one that only looks private."""

    base: int
    _hidden: int = 1
    double: int = field(init=False, default=0)


@dataclass(frozen=True)
class Checked:
    """Refuses what it does not like, whenever it is made."""

    total: int

    def __post_init__(self) -> None:
        if self.total < 0:
            raise ValueError("a total is not negative")


@dataclass(frozen=True)
class Trimmed:
    """Changes what it is given, and does not change it again."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip())


@dataclass
class Growing:
    """Is another value each time it is made."""

    count: int

    def __post_init__(self) -> None:
        self.count += 1


@dataclass(eq=False)
class Odd:
    """Equal to everything, which must not matter."""

    value: int

    @override
    def __eq__(self, other: object) -> bool:
        return True


class Shipped(msgspec.Struct, frozen=True):
    order_id: str
    weight: float = 1.0


class Parcel(msgspec.Struct, rename="camel", kw_only=True):
    parcel_id: int = 0
    sent_by: str


class Cat(msgspec.Struct, tag=True, frozen=True):
    name: str


class Dog(msgspec.Struct, tag=True, frozen=True):
    name: str


class Crate(msgspec.Struct, tag="crate", rename="camel", forbid_unknown_fields=True):
    """A struct with all its options around what msgspec alone can't store."""

    in_side: Charge | Refund
    more: int | msgspec.UnsetType = msgspec.UNSET


class Row(msgspec.Struct, array_like=True, frozen=True):
    what: Charge | Refund
    count: int = 1


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Route(TypedDict, total=False):
    stop: Charge | Refund
    length: int


class Place(NamedTuple):
    x: int
    y: float = 0.0


class Entry(NamedTuple):
    what: Charge | Refund
    times: int = 1


@attrs.define
class Guarded:
    """Its fields seem private, which msgspec leaves out of what it writes."""

    name: str
    _word: str = "none"
    _tries: list[int] = attrs.Factory(list)


@attrs.frozen
class Stamp:
    code: str
    value: int = attrs.field(default=1, validator=attrs.validators.ge(0))


@attrs.define
class Album:
    _stamps: list[Stamp]
    last: Charge | Refund | None = None
    pages: int = attrs.field(init=False, default=3)


class Person(pydantic.BaseModel, frozen=True):
    name: str
    born: date
    salary: Decimal = Decimal(0)


class Team(pydantic.BaseModel):
    lead: Person
    members: list[Person] = []
    tags: dict[str, int] = {}


class Aliased(pydantic.BaseModel):
    order_id: str = pydantic.Field(alias="orderId")
    total: int = pydantic.Field(validation_alias="in", serialization_alias="out")


class Secret(pydantic.BaseModel):
    word: pydantic.SecretStr


@pydantic.dataclasses.dataclass(frozen=True)
class Sized:
    width: int = pydantic.Field(gt=0)


@dataclass(frozen=True)
class Hired:
    """A model, which msgspec does not know, beside what it does."""

    who: Person
    since: int
    id: UUID | None = None


@dataclass(frozen=True)
class Everything:
    positive: Positive
    order_id: OrderId
    literal: Literal["a", 1]
    names: Sequence[str]
    counts: Mapping[str, int]
    tags: AbstractSet[str]


@dataclass
class Untyped:
    anything: Any
