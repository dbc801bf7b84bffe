"""The user code of random templates: values, topics and functions, all of them plain values with an equality.

Every function takes whatever flows (`digest` makes a small number of it), so that any step may follow any other.
What a function does is told by its fields: two steps that were drawn alike are equal, and a failing example
prints as it would be written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from typing_extensions import override

from dagger import Again, Failure, Message, Topic, context

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""What the clock shows at first."""

BUSINESS_KEY: Final = "k"
KEYS: Final = ("k", "x", "y")

WRONG: Final[Any] = "what no type here allows"
"""A user's mistake."""


@dataclass(frozen=True)
class Note:
    """What topics carry; nothing can change it."""

    key: str
    n: int
    other: str = "x"


@dataclass
class Bag:
    """A value that can be changed in place, so that the core must not share it."""

    items: list[int] = field(default_factory=list[int])


class Boom(Exception):
    """An error that some retries want."""


class Flop(Boom):
    """A kind of Boom."""


class Dud(Exception):
    """An error of another family."""


ERRORS: Final = (Boom, Flop, Dud)


def digest(value: object) -> int:
    """Any value that flows in a random template, as a small number."""
    match value:
        case int():
            return value % 97
        case str():
            return sum(value.encode()) % 97
        case Note(key, n):
            return (n + digest(key)) % 97
        case Bag(items):
            return (1 + sum(items)) % 97
        case Failure(input, error, path):
            return (digest(input) + digest(error.partition(":")[0]) + digest(path)) % 97
        case tuple() | list():
            total = len(value)
            for part in value:
                total = (total * 3 + digest(part)) % 97
            return total
        case _:
            raise AssertionError(f"no such value flows here: {value!r}")


def plain(value: object) -> object:
    """A value without the words of error messages, which are the core's own."""
    match value:
        case Failure(input, error, path):
            return Failure(plain(input), error.partition(":")[0], path)
        case tuple():
            return tuple(plain(part) for part in value)
        case list():
            return [plain(part) for part in value]
        case _:
            return value


# Topics.


@dataclass(frozen=True)
class Key:
    """The key of a note, or of what is said in it: one, or both."""

    of: str = "key"

    def __call__(self, note: Note) -> object:
        return {"key": note.key, "other": note.other, "both": [note.key, note.other]}[self.of]


IN_A: Final = Topic("in-a", Note, key=Key())
IN_B: Final = Topic("in-b", Note, key=Key())
LOOP: Final = Topic("loop", Note, key=Key())
OUT: Final = Topic("out", Note, key=Key(), partition_key=Key("other"))
LISTENED: Final = (IN_A, IN_B, LOOP)
PUBLISHED: Final = (OUT, LOOP)
SIGNALS: Final = ("go", "halt")


@dataclass(frozen=True)
class BusinessKey:
    """The business key of every instance."""

    def __call__(self, value: object) -> str:
        return BUSINESS_KEY


# Pure functions.


@dataclass(frozen=True)
class Total:
    """Anything to a number."""

    def __call__(self, value: object) -> int:
        return digest(value)


@dataclass(frozen=True)
class Refuses:
    """Why a workflow fails by decision."""

    def __call__(self, value: object) -> str:
        return f"refused {digest(value)}"


@dataclass(frozen=True)
class Noted:
    """Anything to a note."""

    def __call__(self, value: object) -> Note:
        return Note(BUSINESS_KEY, digest(value))


@dataclass(frozen=True)
class Bagged:
    """Anything to a bag."""

    def __call__(self, value: object) -> Bag:
        return Bag([digest(value), 1])


@dataclass(frozen=True)
class Breaks:
    """Fails for a fifth of all values."""

    salt: int

    def __call__(self, value: object) -> int:
        return fragile(value, self.salt)


def fragile(value: object, salt: int) -> int:
    """The number of a value; fails for a fifth of them."""
    number = digest(value)
    if number % 5 == salt % 5:
        raise Boom("a pure function fails")
    return number


@dataclass(frozen=True)
class Build:
    """The message, or messages, of a command."""

    shape: str
    salt: int

    def __call__(self, value: object) -> Any:
        n = digest(value) + self.salt
        note = Note(BUSINESS_KEY, n)
        match self.shape:
            case "one":
                return note
            case "two":
                return [note, Message(Note(BUSINESS_KEY, n + 1), {"second": "yes"})]
            case "none":
                return []
            case "envelope":
                return Message(note, {"n": str(n)}, key="elsewhere")
            case "keyless":
                return [note, Note("", n, "")]
            case _:
                fragile(value, self.salt)
                return note


@dataclass(frozen=True)
class Fold:
    """Folds a message into the input: to a number, or to what does not fit, or it fails."""

    salt: int
    wrong: bool = False

    def __call__(self, value: object, message: Note) -> int:
        result = (digest(value) * 5 + digest(message) + self.salt) % 97
        return WRONG if self.wrong and result % 2 else result


@dataclass(frozen=True)
class FoldNote:
    """Folds a message into a note."""

    salt: int

    def __call__(self, value: object, message: Note) -> Note:
        return Note(message.key, fragile(value, self.salt) + message.n)


@dataclass(frozen=True)
class Collect:
    """Waits until it has seen `count` messages; fails at an odd one if it is `strict`."""

    count: int
    strict: bool

    def __call__(self, bag: Bag, message: Note) -> Bag | Again[Bag]:
        if self.strict and message.n % 2:
            raise Dud("an odd message")
        more = Bag([*bag.items, message.n])
        return more if len(more.items) >= self.count else Again(more)


@dataclass(frozen=True)
class Count:
    """Waits until the numbers of its messages have brought it to zero."""

    def __call__(self, value: int, message: Note) -> str | Again[int]:
        left = value % 4 - message.n
        return "zero" if left <= 0 else Again(left)


@dataclass(frozen=True)
class Enough:
    """What a loop ends by; fails for a fifth of all values if it is `strict`."""

    salt: int
    strict: bool

    def __call__(self, value: object) -> bool:
        number = fragile(value, self.salt) if self.strict else digest(value)
        return (number + self.salt) % 3 == 0


@dataclass(frozen=True)
class Anew:
    """Begins a loop anew for two thirds of all values."""

    salt: int

    def __call__(self, value: object) -> str | Again[int]:
        left = digest(value) + self.salt
        return "enough" if left % 3 == 0 else Again(left % 97)


@dataclass(frozen=True)
class FoldSignal:
    """Folds a signal into the input."""

    salt: int

    def __call__(self, value: object, word: int) -> int:
        return (fragile(value, self.salt) + word) % 97


@dataclass(frozen=True)
class Awaited:
    """The awaited key of a listener: one of the keys, by the data; or none."""

    first: int
    none: bool = False

    def __call__(self, value: object) -> str | None:
        at = (digest(value) + self.first) % 4
        return None if self.none and at == 3 else KEYS[min(at, 2)]


@dataclass(frozen=True)
class At:
    """A time: in some seconds of the day that the tests begin with; or no good time at all."""

    base: int
    flaw: str = ""

    def __call__(self, value: object) -> datetime:
        at = START + timedelta(seconds=self.base + digest(value) % 4)
        flawed: dict[str, Any] = {"naive": at.replace(tzinfo=None), "none": None}
        answer: datetime = flawed.get(self.flaw, at)
        return answer


@dataclass(frozen=True)
class Pick:
    """What a switch decides by."""

    of: int

    def __call__(self, value: object) -> int:
        return digest(value) % self.of


@dataclass(frozen=True)
class IsEven:
    """What a switch of two branches decides by."""

    def __call__(self, value: object) -> bool:
        return digest(value) % 2 == 0


@dataclass(frozen=True)
class Kinds:
    """One of several types, for a match."""

    salt: int

    def __call__(self, value: object) -> int | Note | Bag:
        number = digest(value) + self.salt
        return (number, Note("k", number), Bag([number]))[number % 3]


@dataclass(frozen=True)
class Items:
    """The items of a parallel body."""

    most: int
    wrong: bool = False

    def __call__(self, value: object) -> list[int]:
        count = digest(value) % (self.most + 1)
        return [WRONG] if self.wrong and count % 2 else [digest(value) + n for n in range(count)]


# Tasks. What comes of one, and when, is the schedule's to say: each waits at the desk of who drives the test.


@dataclass(frozen=True)
class Gives:
    """The task ends well."""

    n: int


@dataclass(frozen=True)
class Raises:
    """The task raises ERRORS[which]."""

    which: int


@dataclass(frozen=True)
class Misfits:
    """The task returns what its type does not allow."""


Outcome = Gives | Raises | Misfits


@dataclass(frozen=True)
class Work:
    """The function of a task; `made` makes a result of its type."""

    salt: int

    def outcome(self, value: object, attempt: int, outcome: Outcome) -> Any:
        """What a call gives or raises."""
        match outcome:
            case Gives(n):
                return self.made((digest(value) * 7 + attempt * 3 + n + self.salt) % 97)
            case Raises(which):
                raise ERRORS[which]("a task fails")
            case Misfits():
                return object()

    def made(self, n: int) -> Any:
        return n


class Desk:
    """Where tasks wait for their outcome; every driver of an engine has one, as a resource."""

    async def wait(self, work: Work, value: object) -> Any:
        raise NotImplementedError


def _at_desk(work: Work, value: object) -> Any:
    return context().resource(Desk).wait(work, value)


class WorkInt(Work):
    """A task that gives a number."""

    async def __call__(self, value: object) -> int:
        return await _at_desk(self, value)  # type: ignore[no-any-return]  # as the schedule says


class WorkNote(Work):
    """A task that gives a note."""

    @override
    def made(self, n: int) -> Note:
        return Note(BUSINESS_KEY, n)

    async def __call__(self, value: object) -> Note:
        return await _at_desk(self, value)  # type: ignore[no-any-return]  # as the schedule says


class WorkBag(Work):
    """A sync task: a thread calls it. It gives something to await, so that it too ends when the schedule says."""

    @override
    def made(self, n: int) -> Bag:
        return Bag([n])

    def __call__(self, value: object) -> Bag:
        return _at_desk(self, value)  # type: ignore[no-any-return]  # as the schedule says


Function = Callable[..., Any]
