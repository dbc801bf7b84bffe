"""What happens to an instance, as data: a schedule is a tuple of these, carried out one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from dagger import Template, Topic
from tests.model.words import BUSINESS_KEY, Note, Outcome


@dataclass(frozen=True)
class Start:
    """The instance is submitted (or once more, which changes nothing)."""


@dataclass(frozen=True)
class Deliver:
    """A message comes; one with an id may come again."""

    topic: Topic[Any]
    note: Note
    id: str | None = None


@dataclass(frozen=True)
class Signal:
    """A signal comes."""

    name: str
    word: int


@dataclass(frozen=True)
class Advance:
    """Time goes on, from timer to timer."""

    by: timedelta


@dataclass(frozen=True)
class Lag:
    """Time goes on, and timers are rung late: by the next Advance."""

    by: timedelta


@dataclass(frozen=True)
class Finish:
    """One of the running tasks ends; `which` counts them in the order of their call keys, round and round."""

    which: int
    outcome: Outcome


@dataclass(frozen=True)
class Stop:
    """Somebody stops the instance."""


@dataclass(frozen=True)
class Release:
    """Every worker is replaced by one that knows other templates.

    `knows` is "it" for the template as it was when the instance began, "another shape" for one of its name and version
    with other steps, "the next version" for that alone, and "nothing".
    """

    knows: Literal["it", "another shape", "the next version", "nothing"]


Action = Start | Deliver | Signal | Advance | Lag | Finish | Stop | Release


@dataclass(frozen=True)
class Case:
    """A template, and all that happens to one instance of it."""

    template: Template[Any, Any]
    value: Any
    id: str
    actions: tuple[Action, ...] = ()
    early_limit: int = 16

    @property
    def is_own_key(self) -> bool:
        """Whether the instance's id is its business key."""
        return self.id == BUSINESS_KEY
