"""What two stored values mean, whatever order, form or release they were written in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.codecs import TypeCodec, codec_of


class Kind(enum.Enum):
    NEW = "new"
    OLD = "old"


@dataclasses.dataclass(frozen=True)
class Inner:
    tags: frozenset[str]
    price: Decimal


@attrs.frozen
class Attr:
    inner: Inner


class Struct(msgspec.Struct, frozen=True):
    inner: Inner
    more: dict[str, Decimal] = {}


class Model(pydantic.BaseModel, frozen=True):
    tags: frozenset[str]
    prices: dict[str, Decimal] = {}
    inner: Inner | None = None


class Pair(NamedTuple):
    one: frozenset[int]
    two: float


class Loose(TypedDict):
    name: str
    price: NotRequired[Decimal]


A = Inner(frozenset({"gift", "express", "vip", "cold"}), Decimal("1.0"))
B = Inner(frozenset(["cold", "vip", "express", "gift"]), Decimal("1.00"))
C = Inner(frozenset({"gift", "express", "vip"}), Decimal("1.0"))
BERLIN = ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2030, 7, 1, 12, tzinfo=BERLIN)
SAME: list[tuple[Any, Any, Any]] = [
    (Inner, A, B),
    (Attr, Attr(A), Attr(B)),
    (Struct, Struct(A, {"a": Decimal(1), "b": Decimal("2.0")}), Struct(B, {"b": Decimal("2"), "a": Decimal("1.0")})),
    (list[Inner], [A, C], [B, C]),
    (tuple[Inner, int], (A, 1), (B, 1)),
    (Inner | int | None, A, B),
    (dict[str, Inner], {"x": A, "y": C}, {"y": C, "x": B}),
    (Mapping[str, frozenset[str]], {"x": A.tags, "y": C.tags}, {"y": C.tags, "x": B.tags}),
    (frozenset[Inner], frozenset({A, C}), frozenset({C, B})),
    (set[Decimal], {Decimal("1.0"), Decimal("2")}, {Decimal("2.000"), Decimal("1")}),
    (Pair, Pair(frozenset({1, 8, 16}), math.nan), Pair(frozenset({16, 8, 1}), math.nan)),
    (Loose, {"name": "a", "price": Decimal("1.0")}, {"price": Decimal("1.00"), "name": "a"}),
    (float, 0.0, -0.0),
    (float, math.nan, -math.nan),
    (Decimal, Decimal("NaN"), Decimal("-NaN")),
    (Decimal, Decimal("0"), Decimal("-0.00")),
    (dt.datetime, NOON, NOON.astimezone(dt.UTC)),
    (dt.datetime, NOON, NOON.astimezone(dt.timezone(dt.timedelta(hours=-3)))),
    (Model, Model(tags=A.tags, prices={"a": Decimal(1), "b": Decimal(2)}, inner=A),
     Model(tags=B.tags, prices={"b": Decimal("2.0"), "a": Decimal("1.0")}, inner=B)),
]  # fmt: skip
OTHER: list[tuple[Any, Any, Any]] = [
    (Inner, A, C),
    (Attr, Attr(A), Attr(C)),
    (list[int], [1, 2], [2, 1]),
    (tuple[int, ...], (1, 2), (2, 1)),
    (dict[str, int], {"a": 1}, {"a": 1, "b": 1}),
    (dict[str, int], {"a": 1, "b": 2}, {"a": 2, "b": 1}),
    (int | str, 1, "1"),
    (int | bool, 1, True),
    (Literal[1, "1"], 1, "1"),
    (Kind, Kind.NEW, Kind.OLD),
    (float, math.nan, 0.0),
    (float, 0.1, 0.1 + 2**-53),
    (Decimal, Decimal("1.0"), Decimal("1.01")),
    (Loose, {"name": "a"}, {"name": "a", "price": Decimal(0)}),
    (str | None, "", None),
    (bytes, b"", b"\0"),
    (dt.datetime, NOON, NOON + dt.timedelta(microseconds=1)),
    (dt.datetime, NOON, NOON.replace(tzinfo=None)),
    (set[int], {1}, {1, 2}),
    (Model, Model(tags=A.tags), Model(tags=C.tags)),
]


@pytest.mark.parametrize(("declared", "one", "other"), SAME)
def test_these_mean_the_same(declared: Any, one: Any, other: Any) -> None:
    codec = codec_of(declared)
    stored, again = codec.round_trip(one)[0], codec.round_trip(other)[0]
    assert codec.means_same(stored, again)
    assert codec.means_same(again, stored)
    assert codec.means_same(stored, stored)


@pytest.mark.parametrize(("declared", "one", "other"), OTHER)
def test_these_mean_another_thing(declared: Any, one: Any, other: Any) -> None:
    codec = codec_of(declared)
    stored, again = codec.round_trip(one)[0], codec.round_trip(other)[0]
    assert not codec.means_same(stored, again)
    assert not codec.means_same(again, stored)


@dataclasses.dataclass(frozen=True)
class Node:
    name: str
    numbers: frozenset[int]
    prices: tuple[Decimal, ...] = ()
    inside: tuple[Node, ...] = ()


NODES = st.recursive(
    st.builds(Node, st.sampled_from("ab"), st.frozensets(st.integers(0, 40), max_size=4)),
    lambda inner: st.builds(
        Node,
        st.sampled_from("ab"),
        st.frozensets(st.integers(0, 40), max_size=4),
        st.lists(st.sampled_from([Decimal("1"), Decimal("1.0"), Decimal("2")]), max_size=2).map(tuple),
        st.lists(inner, max_size=2).map(tuple),
    ),
    max_leaves=4,
)


@given(NODES, NODES)
def test_values_mean_the_same_if_they_are_equal(one: Node, other: Node) -> None:
    codec = codec_of(Node)
    assert codec.means_same(codec.encode(one), codec.encode(other)) == (one == other)


def test_a_field_with_a_default_that_a_release_added_changes_nothing() -> None:
    before = dataclasses.make_dataclass("Order", [("id", str)], frozen=True)
    after = dataclasses.make_dataclass(
        "Order", [("id", str), ("notes", tuple[str, ...], dataclasses.field(default=()))], frozen=True
    )
    old = codec_of(before).encode(before("o-1"))
    new: TypeCodec[Any] = codec_of(after)
    assert new.means_same(old, new.encode(after("o-1")))
    assert not new.means_same(old, new.encode(after("o-1", ("gift",))))
    assert not new.means_same(old, new.encode(after("o-2")))


def test_bytes_that_cannot_be_read_are_the_same_only_if_they_are_equal() -> None:
    codec = codec_of(Inner)
    assert codec.means_same(b"\xc1", b"\xc1")
    assert not codec.means_same(b"\xc1", codec.encode(A))
    assert not codec.means_same(b"\xc1", b"\xc1\xc1")


def test_a_value_that_is_nested_too_deeply_is_compared_by_its_bytes() -> None:
    codec = codec_of(Node)
    deep = Node("a", frozenset())
    for _ in range(400):
        deep = Node("a", frozenset(), (), (deep,))
    data = codec.encode(deep)
    assert codec.means_same(data, data)


PROGRAM = """
import sys
from tests.codecs.test_equality import Inner, codec_of
from decimal import Decimal
sys.stdout.buffer.write(codec_of(Inner).encode(Inner(frozenset(sys.argv[1:]), Decimal("1.0"))))
"""


def test_two_processes_write_a_set_in_their_own_order_and_mean_the_same() -> None:
    tags = [f"tag-{number}" for number in range(12)]
    codec = codec_of(Inner)
    written = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *tags], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(written) > 1
    assert all(codec.means_same(one, other) for one in written for other in written)
