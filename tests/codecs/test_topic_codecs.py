"""The codecs of topics."""

import copy
import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from dagger.codecs import BoundCodec, Codec, codec_of, json, msgpack, raw
from dagger.errors import DecodeError, EncodeError, UnsupportedType

from . import samples as s

CHARGE = s.Charge("o-1", 10)


@dataclass
class Readings:
    values: list[float | None]
    by_place: dict[float, tuple[s.Charge | s.Price, ...]]


def test_codecs_are_values_that_can_be_compared_and_hashed() -> None:
    assert len({json, msgpack, raw}) == 3
    assert (json.name, msgpack.name, raw.name) == ("json", "msgpack", "raw")
    assert copy.deepcopy(json) == json
    assert hash(copy.copy(raw)) == hash(raw)


def test_a_codec_of_ones_own_is_any_object_of_that_form() -> None:
    class Upper:
        name = "upper"

        def bind(self, declared: Any, /) -> BoundCodec:
            return json.bind(declared)

    codec: Codec = Upper()
    assert codec.bind(int).encode(1) == b"1"


def test_json_is_what_others_write() -> None:
    wire = json.bind(s.Charge)
    assert wire.encode(CHARGE) == b'{"order_id":"o-1","total":10}'
    assert wire.decode(b' { "total": 10, "order_id": "o-1", "more": [1] } ') == CHARGE


def test_msgpack_is_what_is_stored() -> None:
    assert msgpack.bind(s.Charge).encode(CHARGE) == codec_of(s.Charge).round_trip(CHARGE)[0]


def test_what_is_not_exact_travels_as_what_it_becomes() -> None:
    assert json.bind(s.Price).encode(s.Price(3)) == b'{"amount":3.0,"at":null}'
    assert json.bind(s.Trimmed).encode(s.Trimmed(" a ")) == b'{"text":"a"}'


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"", ""),
        (b"nonsense", ""),
        (b'{"order_id": "a"}', ""),
        (b'{"order_id": "a", "total": "1"}', " - at `$.total`"),
        (b'{"order_id": "a", "total": true}', " - at `$.total`"),
        (b'{"order_id": "\xff", "total": 1}', ""),
    ],
)
def test_a_bad_message_is_told_with_its_path(data: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as raised:
        json.bind(s.Charge).decode(data)
    assert str(raised.value).startswith("Charge: ")
    assert str(raised.value).endswith(f"{raised.value.__cause__}")
    assert str(raised.value).endswith(path)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (Readings([1.0, None, math.nan], {}), "Readings.values[2]"),
        (Readings([math.inf], {}), "Readings.values[0]"),
        (Readings([], {1.0: (CHARGE, s.Price(-math.inf))}), "Readings.by_place[1.0][1].amount"),
        (Readings([], {math.nan: ()}), "Readings.by_place key"),
    ],
)
def test_json_has_no_infinity(value: Any, where: str) -> None:
    with pytest.raises(EncodeError) as raised:
        json.bind(Readings).encode(value)
    assert str(raised.value) == f"{where}: JSON has no NaN or infinity; use None, or the msgpack codec"
    msgpack.bind(Readings).encode(value)


def test_none_and_the_text_null_are_not_taken_for_infinity() -> None:
    wire = json.bind(dict[str, float | str | None])
    assert wire.decode(wire.encode({"null": None, 'nan"': 'inf"'})) == {"null": None, 'nan"': 'inf"'}


@pytest.mark.parametrize(
    "key", [tuple[int, int], int | str, s.Charge, bool, None, Literal[1, "1"], s.Point, s.Mixed, int | None]
)
def test_json_refuses_keys_that_it_can_not_tell_apart(key: Any) -> None:
    with pytest.raises(UnsupportedType, match="use str keys, or the msgpack codec"):
        json.bind(list[dict[key, int]])
    msgpack.bind(list[dict[key, int]])


@pytest.mark.parametrize("key", [s.Color.RED, s.Level.HIGH, 1, "a", 1.5, b"ab"])
def test_json_keys_come_back_as_what_they_were(key: Any) -> None:
    wire = json.bind(dict[type(key), int])  # type: ignore[misc]  # made at run time
    assert wire.decode(wire.encode({key: 1})) == {key: 1}


def test_raw_passes_bytes_on() -> None:
    wire = raw.bind(bytes)
    assert wire.encode(b"a") == b"a"
    assert wire.decode(b"a") == b"a"
    with pytest.raises(EncodeError, match="declared bytes, got str"):
        wire.encode("a")
    with pytest.raises(UnsupportedType, match="str: the raw codec takes bytes; declare bytes"):
        raw.bind(str)
