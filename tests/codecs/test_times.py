"""Times and their zones: kept in the store, said as an offset in JSON, or refused."""

import datetime as dt
import zoneinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest

from dagger.codecs import codec_of, json, msgpack
from dagger.errors import DecodeError, EncodeError, UnsupportedType

from . import samples as s

BERLIN = ZoneInfo("Europe/Berlin")
NINE = dt.datetime(2030, 3, 30, 9, tzinfo=BERLIN)
FIRST, SECOND = (dt.datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
NAIVE = NINE.replace(tzinfo=None)
IN_THE_GAP = dt.datetime(2030, 3, 31, 2, 30, tzinfo=BERLIN)


def stored(kind: Any, value: Any) -> Any:
    data, reloaded = codec_of(kind).round_trip(value)
    loaded = codec_of(kind).decode(data)
    assert repr(loaded) == repr(reloaded)
    assert codec_of(kind).encode(loaded) == data
    return loaded


@pytest.mark.parametrize(
    "value",
    [
        NINE,
        FIRST,
        SECOND,
        IN_THE_GAP,
        dt.datetime(1800, 1, 1, tzinfo=BERLIN),
        dt.datetime(2030, 1, 1, tzinfo=ZoneInfo("UTC")),
        dt.datetime(2030, 1, 1, 2, 3, 4, 5, tzinfo=ZoneInfo("America/Argentina/Buenos_Aires")),
        dt.datetime(2030, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        dt.datetime(2030, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-2, seconds=7, microseconds=3))),
        dt.datetime(2030, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=33))),
        dt.datetime(2030, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=-33))),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-2))),
        dt.datetime.min.replace(tzinfo=BERLIN),
        NAIVE.replace(fold=1),
        NAIVE,
        dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        dt.time(9, tzinfo=BERLIN),
        dt.time(9, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2, seconds=1))),
        dt.time(9, tzinfo=dt.timezone(dt.timedelta(hours=-2))),
        dt.time(2, 30, fold=1),
    ],
    ids=str,
)
def test_a_time_comes_back_as_it_was(value: dt.datetime | dt.time) -> None:
    assert repr(stored(type(value), value)) == repr(value)


def test_the_clock_of_the_zone_goes_on_after_the_store() -> None:
    loaded: s.Visit = stored(s.Visit, s.Visit("v", NINE))
    assert f"{loaded.at + dt.timedelta(days=1):%d.%m. %H:%M}" == "31.03. 09:00"
    assert (loaded.at + dt.timedelta(days=1)).utcoffset() == dt.timedelta(hours=2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (dt.datetime | None, NINE),
        (dt.datetime | str, NINE),
        (dt.datetime | str, "2030-03-30T09:00:00[Europe/Berlin]"),
        (dt.datetime | dt.date, NINE),
        (dt.datetime | int, NINE),
        (dt.datetime | dict[str, str], NINE),
        (dt.datetime | dict[str, str], {"datetime": "2030-03-30T09:00:00[Europe/Berlin]"}),
        (list[dt.datetime | dict[str, str]], [NINE, {"datetime": "2030-03-30T09:00:00[Europe/Berlin]"}, SECOND]),
        (dt.datetime | s.Cancelled, NINE),
        (dt.datetime | s.Cancelled, s.Cancelled()),
        (dt.datetime | list[dt.datetime], [NINE]),
        (list[dt.datetime], [NINE, NINE.astimezone(dt.UTC), NINE.replace(tzinfo=None)]),
        (dict[dt.datetime, dt.datetime], {FIRST: SECOND}),
        (dict[tuple[dt.datetime, int], str], {(NINE, 1): "a"}),
        (frozenset[dt.datetime], frozenset([NINE])),
        (s.Box[dt.datetime], s.Box(NINE)),
        (s.Visit, s.Visit("v", NINE, dt.time(9, tzinfo=BERLIN), {FIRST: "a"})),
        (Annotated[dt.datetime, msgspec.Meta(tz=True)], NINE),
        (dict[Annotated[dt.datetime, msgspec.Meta(tz=True)], int], {NINE: 1}),
    ],
    ids=str,
)
def test_a_zone_is_kept_wherever_the_time_is(kind: Any, value: Any) -> None:
    assert repr(stored(kind, value)) == repr(value)


def test_a_constraint_holds_for_a_zoned_time_too() -> None:
    naive = Annotated[dt.datetime, msgspec.Meta(tz=False)]
    with pytest.raises(EncodeError, match="datetime: "):
        codec_of(naive).round_trip(NINE)
    assert stored(naive, NAIVE.replace(fold=1)).fold == 1


def test_a_union_whose_times_could_be_taken_for_a_mapping_is_refused() -> None:
    with pytest.raises(UnsupportedType, match="a union with times in it has no mapping whose keys may be None"):
        codec_of(dt.datetime | dict[int | None, dict[str, str]])


@pytest.mark.parametrize(
    "written",
    [dt.datetime(2030, 3, 30, 8, tzinfo=dt.UTC), "2030-03-30T08:00:00Z", "2030-03-30T08:00:00+00:00"],
)
def test_what_was_stored_without_a_name_is_read(written: object) -> None:
    data = msgspec.msgpack.encode({"who": "v", "at": written})
    assert codec_of(s.Visit).decode(data) == s.Visit("v", dt.datetime(2030, 3, 30, 8, tzinfo=dt.UTC))


def test_what_is_in_utc_is_an_instant_as_before() -> None:
    at = dt.datetime(2030, 3, 30, 8, tzinfo=dt.UTC)
    assert codec_of(s.Visit).round_trip(s.Visit("v", at))[0] == msgspec.msgpack.encode(s.Visit("v", at))


def test_a_zone_that_this_machine_does_not_know_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = codec_of(list[s.Visit]).round_trip([s.Visit("v", NINE)])
    zoneinfo.reset_tzpath([])
    ZoneInfo.clear_cache()
    monkeypatch.setitem(__import__("sys").modules, "tzdata", None)
    try:
        with pytest.raises(DecodeError) as raised:
            codec_of(list[s.Visit]).decode(data)
    finally:
        zoneinfo.reset_tzpath()
    assert "the time zone 'Europe/Berlin' is not known on this machine" in str(raised.value)
    assert "pip install tzdata" in str(raised.value)
    assert "$[...].at" in str(raised.value) or "$[0].at" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01T00:00:00[../../etc/passwd]",
        "2030-01-01T00:00:00[Europe]",
        "2030-01-01T00:00:00+01:00[UTC]",
        "[UTC]",
        "x[UTC]",
        "",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    for kind in (dt.datetime, dt.time, s.Visit):
        with pytest.raises(DecodeError):
            codec_of(kind).decode(msgspec.msgpack.encode(text))


def test_a_fault_elsewhere_is_told_and_not_the_zone() -> None:
    data = msgspec.msgpack.encode({"who": 1, "at": "2030-03-30T09:00:00[Europe/Berlin]"})
    with pytest.raises(DecodeError, match=r"\$\.who"):
        codec_of(s.Visit).decode(data)
    with pytest.raises(DecodeError, match=r"\$\.who"):
        codec_of(s.Visit).decode(msgspec.msgpack.encode({"who": 1, "at": NINE}))


def test_a_zone_that_cannot_be_found_again_is_refused() -> None:
    with open(_file_of("Europe/Berlin"), "rb") as file:
        nameless = ZoneInfo.from_file(file)
    with pytest.raises(EncodeError, match=r"Visit.at: declared datetime, got one whose zone has no name"):
        codec_of(s.Visit).round_trip(s.Visit("v", NINE.replace(tzinfo=nameless)))
    with pytest.raises(EncodeError, match=r"Visit.at: .* no name to be found by again; use zoneinfo.ZoneInfo"):
        codec_of(s.Visit).round_trip(s.Visit("v", NINE.replace(tzinfo=s.Unnamed())))


def _file_of(name: str) -> str:
    for root in zoneinfo.TZPATH:
        path = f"{root}/{name}"
        try:
            open(path, "rb").close()
        except OSError:
            continue
        return path
    pytest.skip("no files of time zones here")


def test_json_has_the_offset_and_no_name() -> None:
    assert json.bind(dt.datetime).encode(NINE) == b'"2030-03-30T09:00:00+01:00"'
    assert json.bind(dt.datetime).encode(SECOND) == b'"2030-10-27T02:30:00+01:00"'
    loaded = json.bind(s.Visit).decode(json.bind(s.Visit).encode(s.Visit("v", NINE)))
    assert loaded.at == NINE
    assert loaded.at.tzinfo == dt.timezone(dt.timedelta(hours=1))


def test_the_msgpack_codec_keeps_the_zone() -> None:
    wire = msgpack.bind(s.Visit)
    assert repr(wire.decode(wire.encode(s.Visit("v", NINE)))) == repr(s.Visit("v", NINE))


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (s.Visit, s.Visit("v", dt.datetime(1800, 1, 1, tzinfo=BERLIN)), r"Visit.at: .* has the offset \+00:53:28"),
        (s.Visit, s.Visit("v", NAIVE.replace(fold=1)), r"Visit.at: .* has fold=1; give it a zone"),
        (s.Visit, s.Visit("v", NINE, dt.time(9, tzinfo=BERLIN)), r"Visit.opens: .* has no offset; use a fixed offset"),
        (dt.time, dt.time(9, tzinfo=dt.timezone(dt.timedelta(seconds=1))), r"time: .* has the offset \+00:00:01"),
    ],
)
def test_what_json_would_change_is_refused(kind: Any, value: Any, why: str) -> None:
    with pytest.raises(EncodeError, match=why):
        json.bind(kind).encode(value)


class Model(pydantic.BaseModel):
    at: dt.datetime
    more: set[dt.datetime] = set()


def test_a_pydantic_model_keeps_an_offset_and_refuses_a_zone() -> None:
    in_utc = stored(Model, Model(at=NINE.astimezone(dt.UTC)))
    assert in_utc.at == NINE
    assert stored(Model, Model(at=NINE.astimezone(dt.timezone(dt.timedelta(hours=2))))).at.utcoffset() == dt.timedelta(
        hours=2
    )
    with pytest.raises(EncodeError, match=r"pydantic keeps the offset of a time and not its zone: use a dataclass"):
        codec_of(Model).round_trip(Model(at=NINE))
    with pytest.raises(EncodeError, match=r"it would be loaded as .* - at `\$.more`"):
        codec_of(Model).round_trip(Model(at=in_utc.at, more={NINE}))


def test_a_time_from_a_model_fits_elsewhere() -> None:
    at = Model.model_validate_json('{"at": "2030-03-30T09:00:00+01:00"}').at
    assert repr(stored(dt.datetime, at)) == repr(NINE.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))))
