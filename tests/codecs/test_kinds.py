"""Every kind of type: what it takes comes back as it was, and what it does not take is refused."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, Union

import msgspec
import pytest

from dagger.codecs import Codec, codec_of, json, msgpack
from dagger.errors import EncodeError

from . import samples as s

# The same, unchecked, to make values of wrong types.
x: Any = s

CHARGE, REFUND = s.Charge("o-1", 10), s.Refund("o-1", 10)
NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
BORN = dt.date(2000, 1, 1)
ADA = s.Person(name="Ada", born=BORN, salary=Decimal("1.10"))
SELF = uuid.UUID(int=1)

NAIVE = NOON.replace(tzinfo=None)

# A type, values of it, and values of others.
KINDS: list[tuple[Any, list[Any], list[Any]]] = [
    (str, ["", "a", "é€😀"], [1, b"a", None, "\ud800", SELF, Decimal(1), NOON]),
    (int, [0, -1, 2**63, 2**64 - 1, -(2**63)], [True, 1.0, "1", 2**64, -(2**63) - 1, None]),
    (float, [0.5, -0.0, 1e300], [True, "1", Decimal(1), None, 2**64]),
    (bool, [True, False], [1, 0, None, "true"]),
    (None, [None], [0, False, ""]),
    (bytes, [b"", b"\xff"], ["a", bytearray(b"a"), None]),
    (dt.datetime, [NOON, NAIVE], [dt.date(2030, 1, 1), "2030-01-01", 1]),
    (dt.date, [dt.date(2030, 1, 1)], [NOON, "2030-01-01"]),
    (dt.time, [dt.time(1, 2, 3, 4), dt.time(1, tzinfo=dt.UTC)], ["01:00", dt.time(1, tzinfo=s.Unnamed())]),
    (dt.timedelta, [dt.timedelta(days=-1, microseconds=1), dt.timedelta.max], [1, "P1D"]),
    (Decimal, [Decimal("1.10"), Decimal("-0"), Decimal("1E+5")], [1, 1.1, "1.1"]),
    (uuid.UUID, [SELF], [str(SELF), 1]),
    (s.Color, list(s.Color), ["red", None, s.Level.LOW]),
    (s.Level, list(s.Level), [1, True]),
    (s.Rights, [s.Rights.READ, s.Rights.READ | s.Rights.WRITE, s.Rights(0)], [1]),
    (s.Point, list(s.Point), [(0, 0), "ORIGIN"]),
    (s.Mixed, list(s.Mixed), [1, "two"]),
    (Literal["a", 1], ["a", 1], ["b", True, 1.0, None, [1]]),
    (Literal[True, None], [True, None], [1, False]),
    (Literal[s.Color.RED, b"x"], [s.Color.RED, b"x"], [s.Color.BLUE, "red", b"y"]),
    (list[int], [[], [1, 2]], [(1,), [1, "2"], [True], {1}, None]),
    (Sequence[int], [[1]], ["a", 1, range(3)]),
    (set[str], [set(), {"a", "b"}], [["a"], {1}]),
    (AbstractSet[str], [{"a"}], [["a"]]),
    (frozenset[int], [frozenset({1, 2})], [{1}, frozenset({"a"})]),
    (tuple[int, ...], [(), (1, 2, 3)], [[1], (1, "2")]),
    (tuple[int, str], [(1, "a")], [(1,), (1, 2), (1, "a", 2), [1, "a"]]),
    (tuple[()], [()], [(1,), []]),
    (dict[str, int], [{}, {"a": 1}], [[("a", 1)], {1: 1}, {"a": "1"}]),
    (Mapping[str, int], [{"a": 1}], [{"a": None}]),
    (dict[int, list[dt.date]], [{1: [dt.date(2030, 1, 1)]}], [{"1": []}, {1: [1]}]),
    (Optional[int], [None, 1], ["1", True]),  # noqa: UP045  # as users write it
    (Union[int, str], [1, "a"], [1.0, None]),  # noqa: UP007  # as users write it
    (s.Positive, [1], [0, "1", True]),
    (list[s.Positive], [[1]], [[0]]),
    (s.OrderId, ["o-1"], [1]),
    (Annotated[int, "a remark"], [1], ["1"]),
    (s.Charge, [CHARGE], [REFUND, "x", {"order_id": "a", "total": 1}, s.Charge("a", True), None]),
    (s.Cancelled, [s.Cancelled()], [None, {}, CHARGE]),
    (s.Basket, [x.Basket("a"), x.Basket("a", [CHARGE])], [x.Basket("a", [REFUND]), CHARGE]),
    (s.Guarded, [s.Guarded("a", "b", [1]), s.Guarded("a")], [s.Cancelled()]),
    (list[s.Guarded | s.Refund], [[s.Guarded("a", "b", [1])]], [[s.Cancelled()]]),
    (s.Price, [x.Price(1.5, NOON), x.Price(0.0)], [x.Price("1"), x.Price(True)]),
    (s.Node, [x.Node(1, x.Node(2, x.Node(3)))], [x.Node(1, x.Node("2"))]),
    (s.Box[int], [s.Box(1)], [s.Box("1"), 1]),
    (s.IntBox, [x.IntBox(1, "a")], [x.Box(1), x.IntBox("a", "b")]),
    (s.Doubled[str], [s.Doubled((s.Box("a"), s.Box(["b"])))], [s.Doubled((s.Box(1), s.Box([2])))]),
    (s.Derived, [x.Derived(1), x.Derived(1, 5)], [x.Derived("1")]),
    (s.Checked, [s.Checked(1)], [CHARGE]),
    (s.Shipped, [x.Shipped("a"), x.Shipped("a", 2.5)], [x.Shipped(1), CHARGE]),
    (s.Parcel, [x.Parcel(sent_by="a")], [x.Parcel(sent_by=1)]),
    (s.Cat | s.Dog, [x.Cat("a"), x.Dog("a")], [CHARGE, None, x.Cat(1)]),
    (s.Crate, [x.Crate(CHARGE), x.Crate(REFUND, 2)], [x.Crate(1)]),
    (s.Row, [x.Row(CHARGE), x.Row(REFUND, 3)], [x.Row(CHARGE, "3")]),
    (s.Address, [{"street": "a"}, {"street": "a", "number": 1}], [{}, {"street": 1}, {"street": "a", "x": 1}, []]),
    (s.Route, [{}, {"stop": CHARGE, "length": 1}, {"stop": REFUND}], [{"stop": 1}, {"more": 1}]),
    (s.Place, [x.Place(1), x.Place(1, 2.0)], [(1, 2.0), x.Place("1")]),
    (s.Entry, [x.Entry(CHARGE), x.Entry(REFUND, 2)], [x.Entry(1), (CHARGE, 1)]),
    (s.Stamp, [x.Stamp("a"), x.Stamp("a", 2)], [x.Stamp(1), "a"]),
    (s.Album, [x.Album([x.Stamp("a")], CHARGE), x.Album([])], [x.Album(["a"])]),
    (s.Person, [ADA], [ADA.model_dump(), CHARGE, s.Person.model_construct(name=1)]),
    (s.Team, [s.Team(lead=ADA, members=[ADA], tags={"a": 1})], [ADA]),
    (s.Sized, [s.Sized(1)], [CHARGE]),
    (s.Hired, [x.Hired(ADA, 1), x.Hired(ADA, 1, SELF)], [x.Hired(CHARGE, 1)]),
    (list[s.Person] | None, [[ADA], None], [ADA]),
    (s.Person | None, [ADA, None], [1]),
    (s.Charge | s.Refund, [CHARGE, REFUND], [None, 1, s.Cancelled()]),
    (s.Charge | s.Refund | None, [CHARGE, REFUND, None], [1, x.Charge("a", "b")]),
    (s.Charge | str | uuid.UUID | int, [CHARGE, "a", SELF, 1], [True, 1.5, None]),
    (s.Charge | s.Person | s.Shipped | s.Place, [CHARGE, ADA, s.Shipped("a"), s.Place(1)], [REFUND]),
    (list[int] | tuple[int, ...], [[1], (1,), [], ()], [{1}, ["a"]]),
    (s.Box[int] | s.Box[str], [s.Box(1), s.Box("a")], [s.Box(1.5)]),
    (dict[str, int] | s.Address, [{"a": 1}, {"street": "a"}], [{"a": "b"}]),
    (bytes | str, [b"a", "a"], [1]),
    (dt.date | dt.datetime, [dt.date(2030, 1, 1), NOON], [1]),
    (s.Color | s.Shade | s.Point, [s.Color.RED, s.Shade.DARK, s.Point.UNIT], ["red"]),
    (int | float, [1, 1.0, 1.5], [True, "1"]),
    (Decimal | float | int, [Decimal(1), 1.0, 1], ["1"]),
    (dict[str, s.Charge | s.Refund], [{"a": CHARGE, "b": REFUND}], [{"a": 1}, {1: CHARGE}]),
    (list[tuple[s.Charge | s.Refund, int]], [[(CHARGE, 1), (REFUND, 2)]], [[(CHARGE, REFUND)]]),
    (set[s.Charge | s.Refund], [{CHARGE, REFUND}], [{1}]),
    (s.Payment, [x.Payment(None), x.Payment(CHARGE, (REFUND, CHARGE), (1, REFUND))], [x.Payment(1)]),
    (s.Branch, [x.Branch(x.Leaf(1), x.Branch(x.Leaf(2), x.Leaf(3)))], [x.Branch(x.Leaf(1), None)]),
    (
        s.Everything,
        [s.Everything(1, s.OrderId("a"), "a", ["b"], {"c": 1}, {"d"})],
        [s.Everything(0, s.OrderId("a"), "a", ["b"], {"c": 1}, {"d"})],
    ),
]
STORED_ONLY: list[tuple[Any, list[Any], list[Any]]] = [
    (float, [float("inf"), float("-inf")], []),
    (dict[tuple[int, str], int], [{(1, "a"): 1}], [{1: 1}]),
    (dict[s.Charge, int], [{CHARGE: 1}], [{REFUND: 1}]),
    (dict[int | None, int], [{None: 1, 1: 2}], [{"1": 2}]),
    (s.Ledger, [s.Ledger([CHARGE, REFUND], {"a": CHARGE}, {CHARGE: 1, REFUND: 2}, frozenset({REFUND}))], [CHARGE]),
    (Annotated[list[s.Charge | s.Refund], msgspec.Meta(min_length=1)], [[CHARGE]], [[]]),
]

GOOD = [(kind, value) for kind, values, _ in KINDS for value in values]
BAD = [(kind, value) for kind, _, values in KINDS for value in values]
GOOD_STORED = GOOD + [(kind, value) for kind, values, _ in STORED_ONLY for value in values]
BAD_STORED = BAD + [(kind, value) for kind, _, values in STORED_ONLY for value in values]


def same(one: object, other: object) -> bool:
    """Equal, and of one class all the way down as far as a repr tells; a set has no order."""
    return one == other and type(one) is type(other) and sorted(repr(one)) == sorted(repr(other))


@pytest.mark.parametrize(("kind", "value"), GOOD_STORED)
def test_what_a_type_takes_is_stored_and_comes_back(kind: Any, value: Any) -> None:
    codec = codec_of(kind)
    data, reloaded = codec.round_trip(value)
    assert same(reloaded, value)
    assert same(codec.decode(data), value)
    assert codec.encode(reloaded) == data
    assert codec.encode(reloaded) == data


@pytest.mark.parametrize(("kind", "value"), BAD_STORED)
def test_what_a_type_does_not_take_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(EncodeError):
        codec_of(kind).round_trip(value)


@pytest.mark.parametrize("codec", [json, msgpack], ids=["json", "msgpack"])
@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_what_a_type_takes_travels(codec: Codec, kind: Any, value: Any) -> None:
    wire = codec.bind(kind)
    assert same(wire.decode(wire.encode(value)), value)


@pytest.mark.parametrize("codec", [json, msgpack], ids=["json", "msgpack"])
@pytest.mark.parametrize(("kind", "value"), BAD)
def test_what_a_type_does_not_take_does_not_travel(codec: Codec, kind: Any, value: Any) -> None:
    with pytest.raises(EncodeError):
        codec.bind(kind).encode(value)
