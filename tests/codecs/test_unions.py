"""The stored form of what msgspec alone can't store, and what follows from it."""

import dataclasses
from datetime import datetime
from typing import Any

import msgspec
import pytest

from dagger.codecs import codec_of, json
from dagger.errors import DecodeError

from . import samples as s

CHARGE, REFUND = s.Charge("o-1", 10), s.Refund("o-1", 10)
BARE = {"order_id": "o-1", "total": 10}


def stored(kind: Any, value: Any) -> Any:
    return msgspec.msgpack.decode(codec_of(kind).round_trip(value)[0])


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        (s.Charge, CHARGE, BARE),
        (s.Charge | None, CHARGE, BARE),
        (s.Charge | int, CHARGE, BARE),
        (s.Charge | s.Refund, CHARGE, {"Charge": BARE}),
        (s.Charge | s.Refund | None, None, None),
        (s.Box[int] | s.Box[str], s.Box("a"), {"Box[str]": {"item": "a"}}),
        (list[s.Charge | s.Refund], [REFUND], [{"Refund": BARE}]),
        (s.Cat | s.Dog, s.Cat("a"), {"type": "Cat", "name": "a"}),
        (s.Point, s.Point.UNIT, "UNIT"),
        (s.Color, s.Color.RED, "red"),
        (s.Row, s.Row(CHARGE), [{"Charge": BARE}, 1]),
        (s.Entry, s.Entry(CHARGE), [{"Charge": BARE}, 1]),
        (s.Crate, s.Crate(CHARGE), {"type": "crate", "inSide": {"Charge": BARE}}),
        (dict[s.Charge | int, int], {1: 2}, {1: 2}),
        (dict[s.Charge | s.Refund, int], {CHARGE: 2}, [[{"Charge": BARE}, 2]]),
        (s.Sized, s.Sized(1), '{"width":1}'),
    ],
)
def test_the_stored_form(kind: Any, value: Any, form: Any) -> None:
    assert stored(kind, value) == form


def test_members_of_one_class_are_told_apart_by_what_they_hold() -> None:
    kind = s.Box[int] | s.Box[str] | list[int] | list[str]
    for value in (s.Box(1), s.Box("a"), [1], ["a"]):
        assert codec_of(kind).decode(codec_of(kind).encode(value)) == value


def test_only_what_the_type_names_is_made() -> None:
    codec = codec_of(s.Charge | s.Cancelled)
    for name in ("Refund", "samples.Charge", "tests.codecs.samples.Charge", "Charge ", "charge", ""):
        with pytest.raises(DecodeError):
            codec.decode(msgspec.msgpack.encode({name: BARE}))
    with pytest.raises(DecodeError, match="got 2 of them"):
        codec.decode(msgspec.msgpack.encode({"Charge": BARE, "Cancelled": {}}))


def test_where_it_went_wrong_is_told_through_all_levels() -> None:
    wire = json.bind(s.Payment)
    with pytest.raises(DecodeError, match=r" - at `\$.last.Charge.total`$"):
        wire.decode(b'{"last": {"Charge": {"order_id": "a", "total": "1"}}}')
    with pytest.raises(DecodeError, match=r"got 0 of them - at `\$.all\[1\]`"):
        wire.decode(b'{"last": null, "all": [{"Charge": {"order_id": "a", "total": 1}}, {}]}')


def test_what_a_record_has_by_default_may_be_missing() -> None:
    assert json.bind(s.Payment).decode(b'{"last": null, "new": 1}') == s.Payment(None)
    assert json.bind(s.Entry).decode(b'[{"Charge": {"order_id": "a", "total": 1}}]') == s.Entry(s.Charge("a", 1))
    assert json.bind(s.Album).decode(b'{"_stamps": []}') == s.Album([])
    assert json.bind(s.Route).decode(b"{}") == {}
    with pytest.raises(DecodeError, match="last"):
        json.bind(s.Payment).decode(b"{}")
    with pytest.raises(DecodeError, match=r"^Entry: "):
        json.bind(s.Entry).decode(b'[{"Charge": {"order_id": "a", "total": 1}}, 1, 2]')
    with pytest.raises(DecodeError, match=r"^Crate: "):
        json.bind(s.Crate).decode(b'{"type": "crate", "inSide": {"Charge": {"order_id": "a", "total": 1}}, "x": 1}')


def test_a_default_is_made_anew_for_each_load() -> None:
    @dataclasses.dataclass
    class Cart:
        last: s.Charge | s.Refund | None
        lines: list[int] = dataclasses.field(default_factory=list)

    one, other = (codec_of(Cart).decode(msgspec.msgpack.encode({"last": None})) for _ in range(2))
    one.lines.append(1)
    assert other.lines == []


def test_what_is_composed_checks_itself_as_msgspec_has_it() -> None:
    @dataclasses.dataclass(frozen=True)
    class Positive:
        what: s.Charge | s.Refund
        count: int

        def __post_init__(self) -> None:
            if self.count < 0:
                raise ValueError("a count is not negative")

    assert codec_of(Positive).round_trip(Positive(CHARGE, 1))[1] == Positive(CHARGE, 1)
    with pytest.raises(DecodeError, match="a count is not negative"):
        json.bind(list[Positive]).decode(b'[{"what": {"Charge": {"order_id": "a", "total": 1}}, "count": -1}]')


def test_a_long_chain_of_unions_is_read_in_one_pass() -> None:
    tree: s.Leaf | s.Branch = s.Leaf(0)
    for i in range(100):
        tree = s.Branch(s.Leaf(i), tree)
    codec = codec_of(s.Leaf | s.Branch)
    assert codec.decode(codec.round_trip(tree)[0]) == tree


def test_a_union_with_times_reads_no_map_without_its_key() -> None:
    """It was read as None, which no member is."""
    with pytest.raises(DecodeError, match="got `object`"):
        codec_of(list[datetime] | str).decode(b"\x80")
