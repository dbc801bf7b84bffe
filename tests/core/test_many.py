"""A mapping in parts is a mapping, whatever is done to it and to its copies, and is stored as one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.core.frames import ManyFrames
from dagger.core.many import Fixed, InParts, encode
from dagger.core.state import Frame, Item, Running, Scoping, Sleeping, State, Waiting
from tests.core.parts import small_parts
from tests.stored.golden import HEAD

numbers = st.integers(0, 40)
changes = st.lists(st.tuples(st.sampled_from(["put", "put", "drop", "copy", "store"]), numbers), max_size=60)
frames = st.one_of(
    st.builds(Waiting, st.just(1), numbers, st.just(b"v"), st.sampled_from("kxy")),
    st.builds(Sleeping, st.just(1), numbers, st.just(b"v"), st.integers(1, 9)),
    st.builds(Scoping, st.just(1), numbers, st.just(b"v"), st.integers(0, 9)),
    st.builds(Running, st.just(1), numbers, st.just(b"v"), st.just(1)),
    st.builds(Item, st.just(1), numbers, numbers),
)


@given(changes)
def test_it_is_what_a_dict_is(done: list[tuple[str, int]]) -> None:
    with small_parts():
        kept = list[tuple[InParts[bytes], dict[int, bytes]]]()
        many, plain = InParts[bytes]({}), dict[int, bytes]()
        for at, (what, number) in enumerate(done):
            match what:
                case "put":
                    many[number] = plain[number] = b"%d" % at
                case "drop":
                    assert many.pop(number, None) == plain.pop(number, None)
                case "copy":
                    kept.append((many, plain))
                    many, plain = many.copy(), plain.copy()
                case _:
                    assert msgspec.msgpack.decode(encode(many), type=dict[int, bytes]) == plain
            assert (len(many), number in many, many.get(number)) == (len(plain), number in plain, plain.get(number))
        for one, as_dict in [*kept, (many, plain)]:
            assert one == as_dict
            assert sorted(one) == sorted(as_dict)
            assert msgspec.msgpack.decode(encode(one), type=dict[int, bytes]) == as_dict


@pytest.mark.parametrize("count", [0, 1, 15, 16, 127, 128, 129, 300, 0xFFFF, 0x1_0000])
def test_it_is_stored_as_a_dict_is(count: int) -> None:
    plain = dict.fromkeys(range(count), b"v")
    assert encode(InParts(plain)) == msgspec.msgpack.encode(plain)
    assert encode(Fixed(tuple(plain.values()))) == msgspec.msgpack.encode(list(plain.values()))


def test_a_number_that_is_missing_is_a_key_error() -> None:
    many = InParts({1: b"v"})
    with pytest.raises(KeyError):
        many[2]
    with pytest.raises(KeyError):
        many[1_000]
    with pytest.raises(KeyError):
        del many[1_000]


def test_nothing_else_is_stored() -> None:
    with pytest.raises(TypeError, match="a object is not stored"):
        encode(object())


def test_what_never_changes_is_a_sequence() -> None:
    fixed = Fixed((b"a", b"b", b"c"))
    assert (fixed[1], list(fixed[1:]), len(fixed)) == (b"b", [b"b", b"c"], 3)
    assert fixed == [b"a", b"b", b"c"]
    assert fixed != [b"a"]


@given(st.dictionaries(numbers, frames, max_size=20), st.integers(0, 10), st.sampled_from("kxy"), numbers)
def test_what_is_known_of_frames_is_so(found: dict[int, Frame], now: int, key: str, number: int) -> None:
    plain = dict(sorted(found.items()))
    with small_parts():
        parts = ManyFrames(plain)
        assert parts.wakeup() == State(HEAD, 0, frames=plain).wakeup() == State(HEAD, 0, frames=parts).wakeup()
        due = {at for at, frame in plain.items() if isinstance(frame, Sleeping | Scoping) and 0 < frame.due <= now}
        assert due <= {at for at, _ in parts.due(now)}
        waiting = [at for at, frame in plain.items() if isinstance(frame, Waiting) and frame.key == key]
        heard: list[Any] = [at for at, frame in parts.waiting(key) if isinstance(frame, Waiting) and frame.key == key]
        assert heard == waiting
        inside = [at for at, frame in plain.items() if frame.parent == number and at > number]
        assert [at for at in parts.inside(number) if at > number] == inside
