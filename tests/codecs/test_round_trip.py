"""What `round_trip` gives, and how it says no."""

import datetime as dt
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from typing_extensions import override

from dagger.codecs import codec_of
from dagger.errors import DecodeError, EncodeError

from . import samples as s

# The same, unchecked, to make values of wrong types.
x: Any = s

CHARGE, REFUND = s.Charge("o-1", 10), s.Refund("o-1", 10)
NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
PARIS = dt.datetime(2030, 1, 1, 13, tzinfo=ZoneInfo("Europe/Paris"))


class Word(str):
    """A str that is more than a str."""

    __slots__ = ()


class Count(int):
    """An int that is more than an int."""


@dataclass(frozen=True)
class BigCharge(s.Charge):
    limit: int = 0


FROZEN = [
    *(str, int, float, bool, None, bytes, dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID),
    *(s.Color, s.Rights, s.Point, Literal["a"], tuple[int, ...], tuple[int, str], frozenset[str]),
    *(s.Charge, s.Cancelled, s.Price, s.Node, s.Box[int], s.Shipped, s.Place, s.Stamp, s.Checked),
    *(s.Charge | s.Refund | None, s.Payment, s.Branch, s.Row, s.Entry, s.Person, s.Sized, s.Hired),
    *(s.OrderId, s.Positive, int | None, tuple[s.Charge, ...]),
]
MUTABLE = [
    *(list[int], set[int], dict[str, int], s.Basket, s.Parcel, s.Address, s.Album, s.Team, s.Ledger),
    *(s.Box[list[int]], tuple[list[int], ...], s.Charge | s.Basket, s.Everything, s.Crate, s.Odd),
]


@pytest.mark.parametrize("kind", FROZEN)
def test_it_is_known_what_is_immutable_all_the_way_down(kind: Any) -> None:
    assert codec_of(kind).frozen


@pytest.mark.parametrize("kind", MUTABLE)
def test_one_mutable_part_makes_the_whole_mutable(kind: Any) -> None:
    assert not codec_of(kind).frozen


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (s.Charge, CHARGE),
        (s.Charge | s.Refund | None, REFUND),
        (s.Payment, s.Payment(CHARGE, (REFUND,))),
        (s.Shipped, s.Shipped("a")),
        (tuple[s.Charge, ...], (CHARGE,)),
        (s.Price, s.Price(1.0, NOON)),
        (frozenset[str], frozenset({"a", "b"})),
    ],
)
def test_an_immutable_value_is_its_own_copy(kind: Any, value: Any) -> None:
    assert codec_of(kind).round_trip(value)[1] is value


def test_a_mutable_value_is_copied_and_shares_nothing() -> None:
    given = s.Basket("a", [CHARGE])
    reloaded = codec_of(s.Basket).round_trip(given)[1]
    given.lines.append(CHARGE)
    assert reloaded == s.Basket("a", [CHARGE])
    mixed = s.Box([1])
    assert codec_of(s.Box[list[int]]).round_trip(mixed)[1].item is not mixed.item


def test_a_set_is_stored_as_its_copy_writes_it() -> None:
    codec = codec_of(set[str])
    data, reloaded = codec.round_trip({str(i) for i in range(100)})
    assert codec.encode(reloaded) == data


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        (float, 3, 3.0),
        (float, s.Level.HIGH, 2.0),
        (s.Price, s.Price(3), s.Price(3.0)),
        (int, Count(3), 3),
        (int, s.Level.HIGH, 2),
        (str, Word("a"), "a"),
        (str, s.Shade.DARK, "dark"),
        (list[str], [Word("a")], ["a"]),
        (dict[str, int], {Word("a"): 1}, {"a": 1}),
        (dict[str, int], OrderedDict(a=1), {"a": 1}),
        (dict[str, list[int]], defaultdict(list, a=[1]), {"a": [1]}),
        (tuple[int, float], s.Place(1, 2.0), (1, 2.0)),
        (
            s.Everything,
            s.Everything(1, s.OrderId("a"), "a", ("b",), {}, frozenset()),
            s.Everything(1, s.OrderId("a"), "a", ["b"], {}, set()),
        ),
        (dt.datetime, NOON.replace(tzinfo=s.Offset()), NOON),
        (dt.datetime, PARIS.replace(tzinfo=s.Offset(3600)), PARIS.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))),
        (s.Charge | s.Refund | float, 3, 3.0),
        (s.Trimmed, s.Trimmed(" a "), s.Trimmed("a")),
    ],
)
def test_what_fits_but_is_not_exact_becomes_what_is_declared(kind: Any, value: Any, becomes: Any) -> None:
    data, reloaded = codec_of(kind).round_trip(value)
    assert repr(reloaded) == repr(becomes)
    assert type(reloaded) is type(becomes)
    assert codec_of(kind).encode(reloaded) == data
    assert repr(codec_of(kind).decode(data)) == repr(becomes)


def test_a_float_may_be_no_number() -> None:
    data, reloaded = codec_of(float).round_trip(math.nan)
    assert math.isnan(reloaded)
    assert math.isnan(codec_of(float).decode(data))


def test_what_looks_equal_is_not_taken_for_what_is_declared() -> None:
    assert codec_of(s.Odd).round_trip(s.Odd(1))[1].value == 1
    with pytest.raises(EncodeError, match="declared Odd, got Charge"):
        codec_of(x.Odd).round_trip(CHARGE)


class Nanos(dt.datetime):
    """A time that tells more than a datetime can, as those of other libraries do."""

    @override
    def __eq__(self, other: object) -> bool:
        return self is other

    @override
    def __hash__(self) -> int:
        return super().__hash__()


UNNAMED = (
    f"declared datetime, got one whose zone is a {s.__name__}.Unnamed, which has no name to be found by again; "
    "use zoneinfo.ZoneInfo('Area/City'), or a fixed offset"
)
REFUSED: list[tuple[Any, Any, str]] = [
    (s.Charge, "x", "declared Charge, got str 'x'"),
    (s.Charge, None, "declared Charge, got None"),
    (s.Charge, REFUND, "declared Charge, got Refund"),
    (s.Charge, x.Charge("a", "x"), "Charge.total: declared int, got str 'x'"),
    (s.Charge, s.Charge("a", True), "Charge.total: declared int, got bool True"),
    (
        s.Charge,
        s.Charge("a", 2**64),
        "Charge.total: declared int, got an int of more than 64 bits; a str or Decimal holds it",
    ),
    (
        s.Charge,
        s.Charge("\ud800", 1),
        "Charge.order_id: declared str, got one with a lone surrogate '\\ud800'; it is not valid text",
    ),
    (
        s.Charge,
        BigCharge("a", 1),
        "declared Charge, got its subclass BigCharge, which would lose its own fields; declare BigCharge",
    ),
    (s.Basket, x.Basket("a", [CHARGE, REFUND]), "Basket.lines[1]: declared Charge, got Refund"),
    (dict[str, list[int]], {"a": [1, "2"]}, "dict[str, list[int]]['a'][1]: declared int, got str '2'"),
    (dict[str, int], {1: 1}, "dict[str, int] key: declared str, got int 1"),
    (s.Charge | s.Refund | None, 3, "declared Charge | Refund | None, got int 3"),
    (s.Charge | s.Refund, x.Refund("a", "x"), "Refund.total: declared int, got str 'x'"),
    (s.Payment, x.Payment(x.Charge("a", "x")), "Payment.last.total: declared int, got str 'x'"),
    (s.Payment, x.Payment(None, (1,)), "Payment.all[0]: declared Charge | Refund, got int 1"),
    (s.Address, {}, "declared Address, got a dict without 'street'"),
    (s.Address, {"street": "a", "x": 1}, "declared Address, got a dict with 'x', which is not declared"),
    (s.Color, "red", "declared Color, got str 'red'"),
    (
        dt.datetime,
        NOON.replace(tzinfo=s.Unnamed()),
        UNNAMED,
    ),
    (s.Growing, s.Growing(0), "Growing: each load would change it; its __post_init__ must not"),
    (float, 2**53 + 1, "declared float, got int 9007199254740993, which would become float 9007199254740992.0"),
    (
        s.Price,
        s.Price(2**53 + 1),
        "Price.amount: declared float, got int 9007199254740993, which would become float 9007199254740992.0",
    ),
    (dt.datetime, Nanos(2030, 1, 1), "declared datetime, got Nanos, which would become datetime"),
    (list[int], [10**30], "list[int][0]: declared int, got an int of more than 64 bits; a str or Decimal holds it"),
]


@pytest.mark.parametrize(("kind", "value", "why"), REFUSED)
def test_a_refusal_says_what_is_wrong_where(kind: Any, value: Any, why: str) -> None:
    with pytest.raises(EncodeError) as raised:
        codec_of(kind).round_trip(value)
    assert str(raised.value) == why


@pytest.mark.parametrize(
    ("kind", "value", "name", "path"),
    [
        (s.Positive, 0, "int", ""),
        (s.Everything, s.Everything(0, s.OrderId("a"), "a", [], {}, set()), "Everything", " - at `$.positive`"),
    ],
)
def test_what_a_constraint_refuses_is_refused_with_its_path(kind: Any, value: Any, name: str, path: str) -> None:
    with pytest.raises(EncodeError) as raised:
        codec_of(kind).round_trip(value)
    assert str(raised.value).startswith(f"{name}: ")
    assert str(raised.value).endswith(path)


def test_a_refusal_does_not_repeat_a_long_value() -> None:
    with pytest.raises(EncodeError) as raised:
        codec_of(x.Positive).round_trip("x" * 10_000)
    assert len(str(raised.value)) < 100


def test_a_field_that_is_not_set_is_told() -> None:
    half = object.__new__(s.Price)
    object.__setattr__(half, "amount", 1.0)
    with pytest.raises(EncodeError, match=r"Price.at: declared datetime \| None, got nothing"):
        codec_of(s.Price).round_trip(half)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop = s.Node(1)
    object.__setattr__(loop, "next", loop)
    with pytest.raises(EncodeError, match="nested too deeply, or contains itself"):
        codec_of(s.Node).round_trip(loop)
    items: list[Any] = []
    items.append(items)
    with pytest.raises(EncodeError, match="declared int, got list"):
        codec_of(list[int]).round_trip(items)


def test_encode_refuses_what_has_no_bytes() -> None:
    with pytest.raises(EncodeError, match=r"Charge\.total: declared int, got object"):
        codec_of(s.Charge).encode(x.Charge("a", object()))


@pytest.mark.parametrize(
    ("kind", "data", "name"),
    [
        (s.Charge, b"", "Charge"),
        (s.Charge, b"\x80", "Charge"),
        (s.Charge, b"\xc0", "Charge"),
        (int, b"\xc3", "int"),
        (int, b"\x01\x02", "int"),
        (str, b"\xa1\xff", "str"),
        (s.Charge | s.Refund, b"\x81\xa1x\x01", "Charge | Refund"),
        (s.Charge | s.Refund, b"\xc0", "Charge | Refund"),
    ],
)
def test_a_load_says_of_which_type_and_what_msgspec_says(kind: Any, data: bytes, name: str) -> None:
    with pytest.raises(DecodeError) as raised:
        codec_of(kind).decode(data)
    assert str(raised.value).startswith(f"{name}: ")
    assert str(raised.value).endswith(str(raised.value.__cause__))


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        (s.Charge | s.Refund, b"\x80", "Charge | Refund: Expected an object with one of Charge, Refund; got 0 of them"),
        (s.Point, b"\xa1x", "Point: Invalid value 'x', expected one of ORIGIN, UNIT"),
    ],
)
def test_a_load_says_what_is_wrong(kind: Any, data: bytes, why: str) -> None:
    with pytest.raises(DecodeError) as raised:
        codec_of(kind).decode(data)
    assert str(raised.value) == why


def test_a_bomb_of_nested_arrays_is_refused() -> None:
    for kind in (s.Node, s.Branch, list[int], s.Charge | s.Refund):
        with pytest.raises(DecodeError):
            codec_of(kind).decode(b"\x91" * 1_000_000)


def test_what_runs_at_a_load_may_refuse() -> None:
    data = codec_of(s.Charge).encode(s.Charge("a", -1))
    with pytest.raises(DecodeError, match="a total is not negative"):
        codec_of(s.Checked).decode(data)


def test_a_codec_is_made_once() -> None:
    assert codec_of(s.Charge) is codec_of(s.Charge)
    assert codec_of(s.Charge | s.Refund) is codec_of(s.Refund | s.Charge)
    assert codec_of(s.Charge).type is s.Charge
    assert repr(codec_of(list[int])) == "<codec of list[int]>"
