"""Which values are keys, and as what text; the rest is refused with what to do."""

from __future__ import annotations

import uuid
from datetime import date
from enum import Enum, StrEnum
from typing import Any

import pytest

from dagger.plan.keys import MissingKey, key_text

ID = uuid.UUID("cd072cd8-be6f-4f62-ac4c-09c28206e7e3")


class Country(StrEnum):
    ITALY = "it"


class Size(Enum):
    SMALL = 1


class Text(str):
    """A text of a user's own type."""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("o-1", "o-1"),
        ("größe", "größe"),
        (Text("o-1"), "o-1"),
        (ID, str(ID)),
        (7, "7"),
        (0, "0"),
        (Country.ITALY, "it"),
        (Size.SMALL, "1"),
    ],
)
def test_these_are_keys(value: object, text: str) -> None:
    found = key_text(value)
    assert (type(found), found) == (str, text)


@pytest.mark.parametrize(
    "value", ["", None, "\ud800", Text("\ud800"), Text(""), True, 1.5, b"o-1", date(2030, 1, 1), []]
)
def test_these_are_none(value: object) -> None:
    with pytest.raises(MissingKey):
        key_text(value)


def test_a_topic_says_how_other_values_are_written() -> None:
    def iso(day: Any) -> str:
        return str(day.isoformat())

    assert key_text(date(2030, 1, 1), iso) == "2030-01-01"
    assert key_text("as it is", iso) == "as it is"
    with pytest.raises(MissingKey, match="the key is None"):
        key_text(None, iso)
