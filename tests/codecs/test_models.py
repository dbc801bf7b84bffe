"""Pydantic models: what pydantic would lose or change is refused, not stored."""

from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar

import pydantic
import pytest

from dagger.codecs import codec_of, json, msgpack
from dagger.errors import DecodeError, EncodeError, UnsupportedType

from . import samples as s

T = TypeVar("T")
ADA = s.Person(name="Ada", born=date(2000, 1, 1), salary=Decimal("1.10"))


class Card(pydantic.BaseModel):
    number: str


class Cash(pydantic.BaseModel):
    number: str


class Paid(pydantic.BaseModel):
    """A union whose members look alike: pydantic takes the first."""

    how: Card | Cash


class Dropping(pydantic.BaseModel):
    kept: int
    dropped: int = pydantic.Field(default=0, exclude=True)


class Floating(pydantic.BaseModel):
    x: float


class Open(pydantic.BaseModel, frozen=True, extra="allow"):
    x: int


class Holder(pydantic.BaseModel, Generic[T]):
    item: T


class Subperson(s.Person, frozen=True):
    more: int = 0


def test_a_frozen_model_is_frozen_if_all_in_it_is() -> None:
    assert codec_of(s.Person).frozen
    assert codec_of(s.Hired).frozen
    assert not codec_of(s.Team).frozen
    assert not codec_of(Open).frozen


def test_a_model_is_copied() -> None:
    team = s.Team(lead=ADA)
    reloaded = codec_of(s.Team).round_trip(team)[1]
    team.members.append(ADA)
    assert reloaded == s.Team(lead=ADA)


def test_a_generic_model_is_bound() -> None:
    assert codec_of(Holder[int]).round_trip(Holder[int](item=1))[1].item == 1
    with pytest.raises(UnsupportedType, match="Holder leaves T open"):
        codec_of(Holder)


REFUSED: list[tuple[Any, Any, str]] = [
    (s.Person, s.Charge("a", 1), "declared Person, got Charge"),
    (
        s.Person,
        Subperson(name="a", born=ADA.born),
        "declared Person, got its subclass Subperson, which would lose its own fields",
    ),
    (
        s.Person,
        s.Person.model_construct(name=1, born=ADA.born, salary=Decimal(1)),
        "Person can't be stored by pydantic: ",
    ),
    (s.Secret, s.Secret(word=pydantic.SecretStr("x")), "Secret can't be stored by pydantic: it would be loaded as"),
    (
        Paid,
        Paid(how=Cash(number="1")),
        "Paid can't be stored by pydantic: it would be loaded as Card(number='1') - at `$.how`",
    ),
    (Dropping, Dropping(kept=1, dropped=2), "Dropping can't be stored by pydantic: it would be loaded as"),
    (Floating, Floating(x=float("nan")), "Floating can't be stored by pydantic: "),
    (list[s.Team], [s.Team.model_construct(lead=1)], "list[Team][0]: Team can't be stored by pydantic"),
]


@pytest.mark.parametrize(("kind", "value", "why"), REFUSED)
def test_what_would_be_lost_is_refused(kind: Any, value: Any, why: str) -> None:
    with pytest.raises(EncodeError) as raised:
        codec_of(kind).round_trip(value)
    assert str(raised.value).startswith(why)


def test_others_see_the_aliases_and_the_store_the_names() -> None:
    value = s.Aliased.model_validate({"orderId": "a", "in": 1})
    assert codec_of(s.Aliased).round_trip(value)[1] == value
    assert msgpack.bind(s.Aliased).decode(msgpack.bind(s.Aliased).encode(value)) == value
    with pytest.raises(EncodeError, match="it can't be read back from JSON"):
        json.bind(s.Aliased).encode(value)
    assert json.bind(s.Aliased).decode(b'{"orderId": "a", "in": 1}') == value


def test_json_of_a_model_is_within_the_json_around_it() -> None:
    assert json.bind(s.Hired).encode(s.Hired(ADA, 1)) == (
        b'{"who":{"name":"Ada","born":"2000-01-01","salary":"1.10"},"since":1,"id":null}'
    )


def test_what_pydantic_complains_of_is_told_with_its_path() -> None:
    with pytest.raises(DecodeError) as raised:
        json.bind(list[s.Team]).decode(b'[{"lead": {"name": "a", "born": "2000-01-01"}, "members": [{"name": 1}]}]')
    assert str(raised.value).startswith("list[Team]: ")
    assert str(raised.value).endswith(" - at `$[0].members[0].name`")


def test_what_pydantic_refuses_to_load_again_is_told_with_its_path() -> None:
    person: Any = s.Person.model_construct(name=1, born=ADA.born, salary=Decimal(1))
    with pytest.raises(EncodeError, match=r"^Person can't be stored by pydantic: .+ - at `\$\.name`$"):
        codec_of(s.Person).round_trip(person)
