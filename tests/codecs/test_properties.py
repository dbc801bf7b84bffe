"""Laws that hold for every type and every value, whatever they are."""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Union
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.codecs import codec_of, json, msgpack
from dagger.errors import DecodeError, EncodeError

from . import samples as s


class Kind(NamedTuple):
    """A type, and how to draw its values."""

    type: Any
    values: st.SearchStrategy[Any]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INTS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OFFSETS = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)
NAMES = ["Europe/Berlin", "America/St_Johns", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "UTC", "Etc/GMT+5"]
ZONES = st.sampled_from([None, dt.UTC]) | st.sampled_from(NAMES).map(ZoneInfo) | OFFSETS
"""All that can be stored. In JSON a time keeps its offset, so what is sent is in UTC, or without a zone."""
DATETIMES = st.datetimes(timezones=ZONES)
TIMES = st.times(timezones=ZONES)
SENT_DATETIMES = st.datetimes(timezones=st.sampled_from([None, dt.UTC])).map(lambda at: at.replace(fold=0))
CHARGES = st.builds(s.Charge, TEXTS, INTS)
REFUNDS = st.builds(s.Refund, TEXTS, INTS)
EITHER = CHARGES | REFUNDS

HASHABLE = [
    Kind(str, TEXTS),
    Kind(int, INTS),
    Kind(bool, st.booleans()),
    Kind(bytes, st.binary(max_size=5)),
    Kind(dt.datetime, SENT_DATETIMES),
    Kind(dt.date, st.dates()),
    Kind(dt.timedelta, st.timedeltas()),
    Kind(Decimal, st.decimals(allow_nan=False)),
    Kind(uuid.UUID, st.uuids()),
    Kind(s.Color, st.sampled_from(s.Color)),
    Kind(s.Point, st.sampled_from(s.Point)),
    Kind(Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    Kind(s.Charge, CHARGES),
    Kind(s.Shipped, st.builds(s.Shipped, TEXTS, FLOATS)),
    Kind(s.Place, st.builds(s.Place, INTS, FLOATS)),
    Kind(s.Payment, st.builds(s.Payment, st.none() | EITHER, st.lists(EITHER, max_size=2).map(tuple))),
]
ATOMS = [
    *HASHABLE,
    Kind(float, FLOATS),
    Kind(None, st.none()),
    Kind(dt.time, st.times().map(lambda at: at.replace(fold=0))),
    Kind(s.Basket, st.builds(s.Basket, TEXTS, st.lists(CHARGES, max_size=2))),
    Kind(s.Address, st.fixed_dictionaries({"street": TEXTS}, optional={"number": INTS})),
    Kind(s.Entry, st.builds(s.Entry, EITHER, INTS)),
]


def listed(kind: Kind) -> Kind:
    return Kind(list[kind.type], st.lists(kind.values, max_size=3))  # type: ignore[name-defined]  # made at run time


def tupled(kind: Kind) -> Kind:
    values = st.lists(kind.values, max_size=3).map(tuple)
    return Kind(tuple[kind.type, ...], values)  # type: ignore[name-defined]  # made at run time


def paired(one: Kind, other: Kind) -> Kind:
    return Kind(tuple[one.type, other.type], st.tuples(one.values, other.values))  # type: ignore[name-defined]  # made at run time


def boxed(kind: Kind) -> Kind:
    return Kind(s.Box[kind.type], kind.values.map(s.Box))  # type: ignore[name-defined]  # made at run time


def keyed(kind: Kind) -> Kind:
    values = st.dictionaries(TEXTS, kind.values, max_size=3)
    return Kind(dict[str, kind.type], values)  # type: ignore[name-defined]  # made at run time


def either(one: Kind, other: Kind) -> Kind:
    return Kind(Union[one.type, other.type], one.values | other.values)  # noqa: UP007  # made at run time


def grown(kinds: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    one: list[Callable[[Kind], Kind]] = [listed, tupled, boxed, keyed]
    two: list[Callable[[Kind, Kind], Kind]] = [paired, either]
    return st.one_of(
        *(st.builds(make, kinds) for make in one),
        *(st.builds(make, kinds, kinds) for make in two),
        st.sampled_from(HASHABLE).map(lambda k: Kind(frozenset[k.type], st.frozensets(k.values, max_size=3))),  # type: ignore[name-defined]  # made at run time
    )


KINDS = st.recursive(st.sampled_from(ATOMS), grown, max_leaves=4)
ZONED = [
    Kind(dt.datetime, DATETIMES),
    Kind(dt.time, TIMES),
    Kind(
        s.Visit, st.builds(s.Visit, TEXTS, DATETIMES, st.none() | TIMES, st.dictionaries(DATETIMES, TEXTS, max_size=2))
    ),
    Kind(dt.datetime | s.Shipped | None, st.none() | DATETIMES | st.builds(s.Shipped, TEXTS, FLOATS)),
    Kind(dict[tuple[dt.datetime, int], str], st.dictionaries(st.tuples(DATETIMES, INTS), TEXTS, max_size=2)),
]
ZONED_KINDS = st.recursive(st.sampled_from([*ZONED, *ATOMS]), grown, max_leaves=4)


def told(value: Any) -> str:
    """A value as text that tells zones, folds, places of a Decimal and signs of zero apart; sets in any order."""
    if isinstance(value, frozenset | set):
        return f"{type(value).__name__}{sorted(map(told, value))}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{', '.join(map(told, value))}]"
    if isinstance(value, dict):
        return f"dict{[(told(key), told(each)) for key, each in value.items()]}"
    fields = getattr(value, "__dataclass_fields__", None) or getattr(value, "__struct_fields__", None)
    if fields is not None:
        return f"{type(value).__name__}{[told(getattr(value, name)) for name in fields]}"
    return repr(value if not is_fold_idle(value) else value.replace(fold=0))


def is_fold_idle(value: Any) -> bool:
    """Whether the fold of a time says nothing, as its offset is fixed."""
    return isinstance(value, dt.datetime | dt.time) and isinstance(value.tzinfo, dt.timezone)


@given(ZONED_KINDS, st.data())
def test_a_value_means_the_same_after_the_store(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(kind.values)
    codec = codec_of(kind.type)
    stored, reloaded = codec.round_trip(value)
    assert told(reloaded) == told(value)
    assert told(codec.decode(stored)) == told(value)
    assert codec.encode(reloaded) == stored


@given(KINDS, st.data())
def test_a_round_trip_and_a_load_change_nothing(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(kind.values)
    codec = codec_of(kind.type)
    stored, reloaded = codec.round_trip(value)
    assert reloaded == value
    assert type(reloaded) is type(value)
    assert codec.decode(stored) == value
    assert codec.encode(reloaded) == stored


@given(KINDS, st.data())
def test_to_send_and_to_receive_changes_nothing(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(kind.values)
    for codec in (json, msgpack):
        wire = codec.bind(kind.type)
        assert wire.decode(wire.encode(value)) == value


@given(KINDS, KINDS, st.data())
def test_a_round_trip_is_stable_or_refused(kind: Kind, other: Kind, data: st.DataObject) -> None:
    codec, value = codec_of(kind.type), data.draw(other.values)
    try:
        stored, reloaded = codec.round_trip(value)
    except EncodeError:
        return
    assert codec.decode(stored) == reloaded
    assert codec.encode(reloaded) == stored
    assert codec.round_trip(reloaded)[1] == reloaded


@given(KINDS, KINDS, st.data(), st.binary(max_size=12), st.integers(0, 40))
def test_any_bytes_are_read_as_a_value_of_the_type_or_refused(
    kind: Kind, other: Kind, data: st.DataObject, junk: bytes, cut: int
) -> None:
    codec, whole = codec_of(kind.type), codec_of(other.type).encode(data.draw(other.values))
    for damaged in (whole, whole[:cut], whole[:cut] + junk + whole[cut:], junk):
        try:
            value = codec.decode(damaged)
        except DecodeError:
            continue
        assert codec.round_trip(value)[1] == value


@pytest.mark.fuzz
@given(st.binary(max_size=60))
def test_junk_never_gets_past_a_load(junk: bytes) -> None:
    for kind in (s.Payment, s.Branch, s.Ledger, s.Hired, s.Charge | s.Refund):
        for load in (codec_of(kind).decode, msgpack.bind(kind).decode):
            try:
                load(junk)
            except DecodeError:
                continue
