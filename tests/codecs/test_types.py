"""How types are named, and which of them are refused with what advice."""

import collections
import dataclasses
import enum
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, List, Literal, NamedTuple, Optional, TypeVar, Union  # noqa: UP035  # as written

import msgspec
import pytest
import typing_extensions as te

import dagger.codecs
from dagger.codecs import codec_of, type_name
from dagger.errors import UnsupportedType

from . import samples as s

T = TypeVar("T")

# The same, unchecked, to write wrong types.
x: Any = s


Alias = te.TypeAliasType("Alias", Union[s.Charge, s.Refund])  # noqa: UP007  # as users write it


class Plain:
    pass


class Nothing(enum.Enum):
    pass


@dataclasses.dataclass
class Given:
    total: int
    extra: dataclasses.InitVar[int]


@dataclasses.dataclass
class Connected:
    connection: socket.socket


@dataclasses.dataclass
class Hidden:
    parts: list[dict[str, tuple[int, Any]]]


@dataclasses.dataclass
class Dictish(dict[str, int]):
    total: int


@dataclasses.dataclass
class Lost:
    # It is not there, on purpose.
    where: "Nowhere"  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821


Untyped = collections.namedtuple("Untyped", "a b")


def another_charge() -> type:
    @dataclasses.dataclass
    class Charge:
        pass

    return Charge


NAMES: list[tuple[Any, str]] = [
    (int, "int"),
    (None, "None"),
    (type(None), "None"),
    (Any, "Any"),
    (s.Charge, "Charge"),
    (Optional[s.Charge], "Charge | None"),  # noqa: UP045  # as users write it
    (Union[str, None, int], "int | str | None"),  # noqa: UP007  # as users write it
    (str | int, "int | str"),
    (List[int], "list[int]"),  # noqa: UP006  # as users write it
    (list[s.Refund | s.Charge], "list[Charge | Refund]"),
    (dict[str, list[s.Box[int]]], "dict[str, list[Box[int]]]"),
    (tuple[int, ...], "tuple[int, ...]"),
    (tuple[()], "tuple[()]"),
    (Literal["a", 1, s.Color.RED, None], "Literal['a', 1, Color.RED, None]"),
    (Annotated[int, "remark"], "int"),
    (s.OrderId, "str"),
    (Callable[[int], str], "Callable[[int], str]"),
    (another_charge(), "Charge"),
    ("Later", "Later"),
    (T, "T"),
]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_a_type_has_a_readable_name(kind: Any, name: str) -> None:
    assert type_name(kind) == name


@pytest.mark.parametrize("kind", [kind for kind, name in NAMES if kind not in (Any, "Later", T) and "Call" not in name])
def test_a_codec_has_the_name_of_its_type(kind: Any) -> None:
    assert codec_of(kind).name == type_name(kind)


OPEN = x.Box[T]

REFUSED: list[tuple[Any, str]] = [
    (Any, "Any is not a static type; declare a concrete one: a dataclass, a union of classes, dict[str, str]"),
    (object, "object is not a static type; declare a concrete one"),
    (s.Untyped, "Untyped.anything: Any is not a static type"),
    (Hidden, "Hidden.parts[...][...][1]: Any is not a static type"),
    (Plain, "Plain has no stored form, because it declares no fields; make it a dataclass"),
    (Connected, "Connected.connection: socket has no stored form"),
    (Callable[[int], str], "Callable[[int], str] is a callable, which can't be stored"),
    (print, "print is a callable, which can't be stored"),
    (list, "list has no stored form; declare what it holds, as in list[int]"),
    (dict, "dict has no stored form; declare what it holds, as in dict[str, int]"),
    (collections.deque[int], "deque[int] has no stored form; declare a list"),
    (Iterable[int], "Iterable[int] has no stored form; declare a list"),
    (bytearray, "bytearray has no stored form; declare bytes"),
    (T, "T is an open type variable; say which type it stands for"),
    (s.Box, "Box leaves T open; give it arguments, as in Box[int]"),
    (OPEN, "Box[T] leaves T open; give it arguments, as in Box[int]"),
    (Nothing, "Nothing is an enum without members; give it some"),
    (Given, "Given can't be used: extra is an InitVar, which is not stored: make it a field"),
    (Dictish, "Dictish has no stored form"),
    (Untyped, "Untyped has a field without a declared type: annotate 'a'"),
    (
        s.Charge | another_charge(),
        "Charge has two members named Charge, and stored members are distinguished by name; rename one",
    ),
    ("Later", "Later is a name, not a type; give the class itself"),
    (Literal[1.5], "Literal[1.5] can't be stored: 1.5 is not a str, int, bool, bytes or enum"),
    (
        Annotated[s.Charge | s.Refund, msgspec.Meta(gt=1)],
        "Charge | Refund: msgspec can't constrain it: ",
    ),
]


@pytest.mark.parametrize(("kind", "why"), REFUSED)
def test_what_can_not_be_stored_is_refused_with_advice(kind: Any, why: str) -> None:
    with pytest.raises(UnsupportedType) as raised:
        codec_of(kind)
    assert str(raised.value).startswith(why)


def test_a_name_that_is_nowhere_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedType) as raised:
        codec_of(Lost)
    assert str(raised.value).startswith("Lost has annotations that can't be read, ")
    assert "'Nowhere'" in str(raised.value)
    assert str(raised.value).endswith("; define it at module level, outside `if TYPE_CHECKING:`")


def test_a_class_local_to_a_function_may_contain_itself() -> None:
    @dataclasses.dataclass(frozen=True)
    class Chain:
        next: "Chain | None" = None

    value = Chain(Chain())
    assert codec_of(Chain).round_trip(value)[1] is value
    assert codec_of(Chain).decode(codec_of(Chain).encode(value)) == value


def test_aliases_and_the_types_of_typing_extensions_are_seen_through() -> None:
    class Extended(te.TypedDict):
        a: te.Required[int]
        b: te.NotRequired[te.ReadOnly[str]]

    assert codec_of(Alias | None).round_trip(None)[1] is None
    assert codec_of(Extended).round_trip({"a": 1})[1] == {"a": 1}


def test_a_generic_named_tuple_and_typed_dict_are_bound() -> None:
    class Pair(NamedTuple, Generic[T]):
        one: T
        other: list[T]

    class Named(te.TypedDict, Generic[T]):
        item: T

    pair = Pair(1, [2])
    assert codec_of(Pair[int]).round_trip(pair)[1] == pair
    assert codec_of(Named[str]).round_trip({"item": "a"})[1] == {"item": "a"}


def test_the_public_names_are_sorted_and_no_others() -> None:
    assert dagger.codecs.__all__ == sorted(dagger.codecs.__all__)
    assert set(dagger.codecs.__all__) == {
        *(
            "Codec",
            "TypeCodec",
            "BoundCodec",
            "class_of",
            "codec_of",
            "erased",
            "json",
            "mismatch_of",
            "msgpack",
            "raw",
            "type_name",
        ),
    }


def test_pydantic_and_attrs_are_not_imported_for_those_who_do_not_use_them() -> None:
    code = "import sys, dagger.codecs as c; c.codec_of(list[int]); print({'pydantic', 'attr'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
