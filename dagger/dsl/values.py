"""The small values of the language: Again, Failure, Limit, Message, Retry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol

from typing_extensions import TypeVar, override

from dagger.errors import TemplateError

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)

__all__ = ["Again", "Failure", "Limit", "Message", "NotAgain", "Retry"]


@dataclass(frozen=True, slots=True)
class Again(Generic[A_co]):
    """Returned by a listener that keeps waiting, with this value as its new input."""

    value: A_co

    if TYPE_CHECKING:

        @override
        def __dir__(self) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see NotAgain


class NotAgain(Protocol):
    """Anything but an `Again`: a protocol that every object fulfils, and that Again is declared to violate."""

    @override
    def __dir__(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class Failure(Generic[A_co]):
    """What a `.recover` handler takes: the input of the step that failed, and why and where it failed.

    `error` is the text `Type: message`; `path` is the path of the step that failed first.
    """

    input: A_co
    error: str
    path: str


@dataclass(frozen=True, slots=True)
class Message(Generic[A_co]):
    """A message with its envelope, for a command's function that sets more than the value.

    `headers` are text; `key` overrides the topic's partition key.
    """

    value: A_co
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how fast a step is retried.

    `attempts` counts all attempts. The n-th pause is `first * factor ** (n - 1)`, spread by `jitter` (a share of the
    pause, 0 to 1; deterministic for one instance and step), and at most `longest`. Errors that are instances of `on`
    are retried. So is a task that has exceeded its own `timeout=`, whatever `on` says.

    Raises TemplateError for values that make no sense, alone or together.
    """

    attempts: int = 3
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    longest: timedelta = timedelta(seconds=60)
    jitter: float = 0.0
    on: type[BaseException] | Sequence[type[BaseException]] = Exception

    def __post_init__(self) -> None:
        if not isinstance(self.on, type):
            many = isinstance(self.on, Iterable)  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
            object.__setattr__(self, "on", tuple(self.on) if many else (self.on,))
        for wrong, text in self._rules():
            if wrong:
                raise TemplateError(f"Retry: {text}")

    @property
    def kinds(self) -> tuple[type[BaseException], ...]:
        """The exception classes of `on`."""
        return (self.on,) if isinstance(self.on, type) else tuple(self.on)

    def _rules(self) -> list[tuple[bool, str]]:
        kinds: tuple[Any, ...] = self.kinds  # users without a checker
        return [
            (not _is_count(self.attempts), f"attempts is {self.attempts!r}; give 1 or more (1 tries once)"),
            (not _is_pause(self.first), f"first is {self.first}; give a pause of zero or more"),
            (not _is_number(self.factor, 1), f"factor is {self.factor!r}; give 1 (constant pauses) or more"),
            (not _is_pause(self.longest), f"longest is {self.longest}; give a pause of zero or more"),
            (not _is_number(self.jitter, 0, 1), f"jitter is {self.jitter!r}; give a share between 0 and 1"),
            (
                _is_pause(self.first) and _is_pause(self.longest) and self.first > self.longest,
                f"first is {self.first}, above longest, which is {self.longest}; give a longest of at least first",
            ),
            (
                not kinds or not all(isinstance(k, type) and issubclass(k, BaseException) for k in kinds),
                f"on is {self.on!r}; give an exception class, or several",
            ),
        ]


@dataclass(frozen=True, slots=True)
class Limit:
    """How many tasks of one kind a worker runs, and how many it begins in a second.

    Tasks whose limits have the same name share one limit: at most `concurrency` of them run at a time in a worker, and
    at most `per_second` begin in a second (0.5 is one in two seconds). A task that exceeds a limit waits in order; its
    `timeout=` does not run meanwhile.

    Raises TemplateError for a limit without a number, or with one that makes no sense.
    """

    name: str
    concurrency: int | None = None
    per_second: float | None = None

    def __post_init__(self) -> None:
        name: Any = self.name  # users without a checker
        if not isinstance(name, str) or not name.strip():
            raise TemplateError(f"Limit: name is {name!r}; give text that is not empty")
        for wrong, text in self._rules():
            if wrong:
                raise TemplateError(f"Limit '{name}': {text}")

    def _rules(self) -> list[tuple[bool, str]]:
        most, rate = self.concurrency, self.per_second
        return [
            (most is None and rate is None, "limits nothing; give concurrency=, per_second=, or both"),
            (most is not None and not _is_count(most), f"concurrency is {most!r}; give a whole number from 1"),
            (
                rate is not None and not (_is_number(rate, 0) and rate > 0),
                f"per_second is {rate!r}; give a number above 0 (0.5 is one in two seconds)",
            ),
        ]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_pause(value: object) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(0)


def _is_number(value: object, least: float, most: float = math.inf) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and least <= value <= most
