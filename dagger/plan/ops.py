"""What a plan is made of: one small record an operation, in one flat table, linked by index.

Simple operations hand their value to `next`. Composites are an opening operation, the operations inside, and a
closing one a branch, so that the machine never walks a tree:

    Named    = Enter . body . Leave
    Scope    = Scope . body . Close . (Aside . start . Done)* . [Merge . (start . Merge)*]
    Ahead    = Scope . Scope . body . Close . Merge . HandOver . Merge . Listen . Close
    Fork     = Fork . (Branch . body . Join)*
    Choose   = Choose . (body . Merge)*
    Each     = Spread . body . [Merge . Merge] . Gather . [Lose]

`owner` is the opening operation (or Branch) around an operation, -1 for none: where a failure goes next.
`slot` is the row of the outcome table, -1 for what has no outcome. Times are in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from dagger.codecs import TypeCodec
from dagger.dsl.topics import Topic
from dagger.dsl.values import Limit
from dagger.plan.shapes import Shape, Typed

Pure = Callable[..., Any]

BEGINS, ENDS = 1, 2


class Op(msgspec.Struct, kw_only=True, gc=False):
    """What every operation has. Built once by the compiler, never changed afterwards."""

    index: int
    path: str
    slot: int = -1
    next: int = -1
    owner: int = -1
    shape: Shape
    """How the input is stored."""
    scope: int = 0
    """`BEGINS` and `ENDS` of the operations that do nothing but note that a named scope begins or ends."""


class Publish(Op, kw_only=True, gc=False):
    """Publish what `build` makes of the value (None: the value itself) and pass the value on."""

    topic: Topic[Any]
    encode: Callable[[Any], bytes]
    key: Pure
    """Computes the partition key of a message."""
    build: Pure | None
    many: bool
    """Whether a list stands for several messages (False where a message is itself a list)."""


class Listen(Op, kw_only=True, gc=False):
    """Wait for a message (or a signal) of a channel, and fold it in (None: the message is the result)."""

    channel: str
    fold: Pure | None
    on: Pure | None
    """Computes the awaited key; None is the business key (of a signal: no key)."""
    decode: Callable[[bytes], Any]
    encode_key: Callable[[Any], str] | None
    is_signal: bool
    out: TypeCodec[Any]
    again: Typed | None
    """How the value of `Again` is stored; None where the function never answers it."""
    repeats: bool
    """Whether the step may be reached more than once."""
    aside: int = -1
    """The `Aside` that it is in: a step that is run where something is given up. -1 for a step of the flow."""
    ahead: bool = False
    """Whether it waits beside a body, which its message ends."""


class Task(Op, kw_only=True, gc=False):
    """Run a task; the shell calls it, and bounds each call by `after`, if that is 0 or more, and by `limit`."""

    fn: Pure
    is_async: bool
    out: TypeCodec[Any]
    after: int = -1
    limit: Limit | None = None


class Pause(Op, kw_only=True, gc=False):
    """Go on after `delay`, or at the time that `at` computes."""

    delay: int
    at: Pure | None


class Call(Op, kw_only=True, gc=False):
    """Start an instance of another template with the value, and wait for its end."""

    template: str
    version: int
    takes: Typed
    """How the template stores its input."""
    key: Pure
    """Computes the business key of the child from its input."""
    gives: Shape
    """How the template stores its result."""

    @property
    def is_stored_alike(self) -> bool:
        """Whether the value is stored as the input of the template is."""
        return isinstance(self.shape, Typed) and self.shape.codec is self.takes.codec


class Apply(Op, kw_only=True, gc=False):
    """Apply a pure function that declares no stored result."""

    fn: Pure
    frozen: bool
    """Whether nothing can change its results in place."""


class Retype(Op, kw_only=True, gc=False):
    """Store the value by a declared type, however it has been stored on its way here."""

    out: TypeCodec[Any]


class Enter(Op, kw_only=True, gc=False):
    """A named scope begins."""

    scope: int = BEGINS


class Leave(Op, kw_only=True, gc=False):
    """The scope whose outcome is in `slot` ends."""

    scope: int = ENDS


class Scope(Op, kw_only=True, gc=False):
    """Steps begin to which something may happen as a whole.

    At most one trigger is by time: a frame has one timer. A scope that is tried again has none by time.
    """

    triggers: tuple[Trigger, ...] = ()
    keeps: bool = False
    """Whether it keeps the undos of what completes inside."""
    follows: bool = False
    """Whether its input is replaced by the value of each `Again` that the only step in it answers."""
    loops: bool = False
    """Whether what is inside begins anew with its result."""
    counted: int = -1
    """The row whose attempts are the rounds, if it loops and has a name."""


class Close(Op, kw_only=True, gc=False):
    """What is in the scope around ends well."""

    plain: bool = True
    """Whether nothing comes of that but that the value passes on: it keeps no undos, and no trigger waits for it."""


class HandOver(Op, kw_only=True, gc=False):
    """A body has ended before the message that would have ended it: the listener beside it waits with the result."""


class Aside(Op, kw_only=True, gc=False):
    """Steps begin that are no part of the flow: they are run where something is given up."""


class Done(Op, kw_only=True, gc=False):
    """The steps that are run where something is given up have ended well."""


class Fork(Op, kw_only=True, gc=False):
    """Branches begin side by side."""

    branches: tuple[int, ...] = ()
    needed: int
    """With so many that end well, it does."""
    spare: int
    """With more than so many that fail, it does."""
    kind: str
    """`all`, `any` or `at_least`: how the results are put together."""
    exit: int = -1


class Branch(Op, kw_only=True, gc=False):
    """A branch of a group begins; `number` counts from 0."""

    number: int


class Join(Op, kw_only=True, gc=False):
    """A branch of a group ends well."""

    number: int


class Choose(Op, kw_only=True, gc=False):
    """Take the branch of the value of `fn`."""

    fn: Pure
    cases: dict[tuple[type, Any], int]
    default: int = -1


class Merge(Op, kw_only=True, gc=False):
    """One of several alternatives ends; `tag` is its number."""

    tag: int


class Spread(Op, kw_only=True, gc=False):
    """One body for each item of `items`."""

    items: Pure
    item: TypeCodec[Any]
    body: int = -1
    limit: int | None
    exit: int = -1
    enough: int | None = None
    """With so many bodies that end well, it does; None for all."""
    lost: int = -1
    """Where a body that has failed goes on, given up; -1 where its failure is that of the whole."""


class Gather(Op, kw_only=True, gc=False):
    """A body of a Spread ends well."""


class Lose(Op, kw_only=True, gc=False):
    """A body of a Spread has failed, and the others go on."""


class End(Op, kw_only=True, gc=False):
    """The template ends well."""


# Triggers.

Effect = str
INTERRUPT: Final = "interrupt"
"""Leave what is inside, and go on at `start`; without one the scope fails."""
AGAIN: Final = "again"
"""Begin what is inside anew."""
BESIDE: Final = "beside"
"""Run `start` with the input, and wait for its end before anything goes on."""
LATER: Final = "later"
"""Keep `start` and the result (of a scope that is given up, the input), and run it when what is around is given up."""


class After(msgspec.Struct, frozen=True):
    """So many microseconds after the scope has begun."""

    after: int


class InnerFailure(msgspec.Struct, frozen=True):
    """When what is inside fails."""

    on: tuple[str, ...] | None = None
    """Qualified names of the exception classes that count; None for all failures."""


class Stopped(msgspec.Struct, frozen=True):
    """When the scope is given up while it executes, other than by a failure of its own."""


class GivenUp(msgspec.Struct, frozen=True):
    """When the scope is given up while it executes, also by a failure of its own."""


class SaysAgain(msgspec.Struct, frozen=True):
    """When what is inside ends well with an `Again`."""

    out: TypeCodec[Any]
    """How the value in it is stored."""


class Ended(msgspec.Struct, frozen=True):
    """When what is inside ends well."""

    until: Pure | None = None
    """A pure function of the result: only where that is not true; None for in any case."""


class MessageArrives(msgspec.Struct, frozen=True):
    """When a message comes for the listener at `start`, which waits beside what is inside from the beginning."""


When: TypeAlias = After | InnerFailure | Stopped | GivenUp | Ended | SaysAgain | MessageArrives


class RetryRule(msgspec.Struct, frozen=True):
    """A `Retry` in numbers; pauses in microseconds."""

    attempts: int
    first: int
    factor: float
    longest: int
    jitter: float
    on: tuple[str, ...]
    """Qualified names of the exception classes that are tried again."""


class Trigger(msgspec.Struct, frozen=True):
    """When something happens to a scope, and what."""

    when: When
    effect: Effect
    start: int = -1
    """The operation that goes on then, if it is not the body."""
    tries: RetryRule | None = None
    """How often, and after which pauses, a body that fails begins anew."""
    at_most: int | None = None
    """How often a body runs that begins anew with its result."""
