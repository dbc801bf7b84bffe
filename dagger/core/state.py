"""What is known of an instance: one immutable value, stored as one record.

Invariants:

* `frames` holds what executes now, by a number that is never used again, in no later run either, but for that of the
  frame around everything, to which nothing from outside refers; the `parent` of a frame is a number in
  `frames` that is smaller than its own, or 0.
* An `Ending` has the number of the frame whose place it has taken. Directly inside of it is only what it waits for:
  what undoes (`Undoing`, or an `Ending` in the place of one), and children that were stopped (`Recalling`); as many as
  it says that it runs.
* Undos are numbered by the same counter as frames, in the order in which their steps completed. An `Ending` runs those
  without a number first, and then the others, the highest number first.
* What holds of a state can be asked: see `invariants.py`.
* An instance that has ended has no frames; a result if COMPLETED; an error if FAILURE.
* `head` never changes.
* `chunks` and `rows` are the outcome table, of a fixed row for each step of the template up to the last that was
  reached: its size is bounded by the template, and an update costs the same however long template and history are.
* Times are whole microseconds since 1970-01-01 UTC, and `now` never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from dagger.core.envelope import Envelope
from dagger.core.error import Error as Error
from dagger.core.head import Head
from dagger.core.many import ManyTimed
from dagger.core.table import Row


class Status(StrEnum):
    """Where an instance, or a step of it, stands."""

    NOT_STARTED = "NOT_STARTED"
    SUBMITTED = "SUBMITTED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"
    STOPPED = "STOPPED"

    @property
    def is_end(self) -> bool:
        """Whether nothing follows."""
        return self in _ENDS


_ENDS: Final = frozenset({Status.COMPLETED, Status.FAILURE, Status.SKIPPED, Status.STOPPED})
STATUSES: Final = tuple(Status)
FOREVER: Final = 253_402_300_799_999_999
"""The last instant that can be told, the end of the year 9999, in microseconds: what lies beyond is due then."""
JOURNAL_MAX: Final = 32
"""How many operations the journal of an instance keeps."""
NOT_STARTED, SUBMITTED, EXECUTING, COMPLETED, FAILURE, SKIPPED, STOPPED = range(7)
"""The statuses as the outcome table holds them."""


class GoOn(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """What was left is gone, and a value goes to an operation."""

    op: int
    value: bytes


class TryAgain(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """What was left begins anew with a value, after a pause in microseconds."""

    value: bytes
    attempt: int
    pause: int


class EndAs(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """The instance ends."""

    status: int
    error: Error | None = None


Then: TypeAlias = GoOn | TryAgain | EndAs
"""What follows when all that executed inside of a frame was given up."""


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """A listener or a signal waits for a message of `key`."""

    op: int
    parent: int
    value: bytes
    key: str
    again: bool = False
    """Whether `value` came from `Again`, and is stored as that."""


class Running(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """A task runs, or is to run."""

    op: int
    parent: int
    value: bytes
    attempt: int
    trace: dict[str, str] = {}
    """The trace context of what has caused it, unless it is that of the instance."""


class Sleeping(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A sleep goes on until `due`."""

    op: int
    parent: int
    value: bytes
    due: int
    trace: dict[str, str] = {}
    """As that of a task: what its timer causes goes on with it."""


class Undo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is run if what has completed, or what executes, is given up: a body of steps, and the value that it gets."""

    op: int
    value: bytes
    number: int
    """The place in the order in which undos were ordered; of what is run first, in whatever order, 0."""
    items: str
    """Which items of for_each, and which rounds of loops, it belongs to."""
    ordered: int = 0
    """What the counter of frames said when it was ordered to run; 0 while it is only kept."""


class Scoping(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """A scope: its input, its attempt, when it is over (a timeout) or begun anew (a pause), and what may be undone."""

    op: int
    parent: int
    value: bytes
    due: int = 0
    attempt: int = 1
    undos: list[Undo] = []
    """Of what has completed in it, in the order in which it did."""
    trace: dict[str, str] = {}
    """As that of a task: what its timer causes goes on with it."""


class Gathering(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A group: what its branches have given, and why others failed, by number."""

    op: int
    parent: int
    done: dict[int, bytes]
    failed: dict[int, str]


class Spreading(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """A for_each: its items, how many were begun, what the bodies gave, and how many that failed do not count."""

    op: int
    parent: int
    items: Sequence[bytes]
    begun: int
    done: MutableMapping[int, bytes]
    lost: int = 0


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """One body of a for_each."""

    op: int
    parent: int
    number: int


class Ending(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """What was inside of a frame is given up; what has to be run for it is run, and then `then` is carried out."""

    op: int
    parent: int
    then: Then | None
    queue: list[Undo]
    """What is still to be run, the next one last."""
    running: int
    """How many are run, or are children whose end it waits for."""


class Undoing(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """Steps that are run because something was given up."""

    op: int
    parent: int
    items: str
    ordered: int = 0
    """What the counter of frames said when they were ordered: they are given messages that have come since."""


class Calling(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """A step that is an instance of its own, a child, waits for the end of that."""

    op: int
    parent: int
    value: bytes
    """The input of the step."""
    child: str
    """The id of the child."""


class Recalling(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """A step that was given up waits for the end of its child, which was stopped."""

    op: int
    parent: int
    child: str


Frame: TypeAlias = (
    Waiting | Running | Sleeping | Scoping | Gathering | Spreading | Item | Ending | Undoing | Calling | Recalling
)


def item_suffix(frames: Mapping[int, Frame], number: int) -> str:
    """Which items of for_each a frame is in: `[2]`, `[0][7]`, or nothing."""
    suffix = ""
    while number:
        frame = frames[number]
        if type(frame) is Item:
            suffix = f"[{frame.number}]{suffix}"
        elif type(frame) is Undoing:
            return frame.items.partition("#")[0] + suffix
        number = frame.parent
    return suffix


TIMED: Final = (Sleeping, Scoping)
"""The frames that may have a timer."""


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message kept until somebody waits for it, or until `expires`."""

    message: Envelope
    expires: int
    shared: bool = False
    """Whether others were offered it too."""
    number: int = 0
    """What the counter of frames said when it came; 0 if it came before the instance."""


class Operation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What somebody has done to an instance from outside."""

    at: int
    name: str
    by: str = ""
    reason: str = ""
    outcome: str = ""
    id: str = ""
    """The same for a repetition of it."""


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An instance: a head that never changes, and what its steps change."""

    head: Head
    now: int
    status: int = EXECUTING
    ended: int = 0
    next_frame: int = 1
    frames: Mapping[int, Frame] = {}
    """By number; a `ManyFrames` where they are very many."""
    rows: list[Row] = []
    chunks: tuple[bytes, ...] = ()
    errors: dict[int, Error] = {}
    held: tuple[Held, ...] = ()
    seen: tuple[str, ...] = ()
    """Ids of messages that were taken, the last ones: what is sent again is taken once."""
    result: bytes | None = None
    error: Error | None = None
    failing: dict[int, tuple[int, ...]] = {}
    """Steps in items of a for_each that have failed, by the frame of what answers that: they count until it is gone."""
    journal: tuple[Operation, ...] = ()
    """What was done to it from outside, the last `JOURNAL_MAX`."""

    @property
    def id(self) -> str:
        return self.head.id

    @property
    def template(self) -> str:
        return self.head.template

    @property
    def version(self) -> int:
        return self.head.version

    @property
    def key(self) -> str:
        """The business key."""
        return self.head.key

    @property
    def input(self) -> bytes:
        return self.head.input

    @property
    def signature(self) -> int:
        """That of the plan with which it began."""
        return self.head.signature

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.status == EXECUTING

    def wakeup(self) -> tuple[int | None, bool]:
        """When the next timer is due, in microseconds (None if no timer runs), and whether a task runs."""
        if isinstance(self.frames, ManyTimed):
            return self.frames.wakeup()
        due: int | None = None
        busy = False
        for frame in self.frames.values():
            kind = type(frame)
            if kind is Running:
                busy = True
            elif isinstance(frame, TIMED) and frame.due and (due is None or frame.due < due):
                due = frame.due
        return due, busy
