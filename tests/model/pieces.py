"""What executes, one class a construct: the rules of the language, said as plainly as possible.

A `Piece` is one execution of one construct: it is begun with a value, begins other pieces inside it, and tells the
piece around it how it ended. All values are Python objects; nothing is encoded, compiled or committed. What a piece
needs of the world around (timers, messages, tasks) it asks of the `Reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, get_origin

from typing_extensions import override

from dagger import Again, BusinessError, Failure, Message, Status, TooManyRounds
from dagger.dsl import nodes
from dagger.dsl.functions import Fn, members_of
from dagger.dsl.paths import branches_of_switch, inside, joined, place_of
from tests.model.words import BUSINESS_KEY, START, Note, Outcome, Work

if TYPE_CHECKING:
    from tests.model.reference import Reference

ZERO = timedelta(0)


@dataclass(frozen=True)
class Problem:
    """Why a step failed: the path and the kind are seen, the cause is what `Retry(on=)` is asked about."""

    path: str
    kind: str
    cause: type[BaseException]
    pure: bool = False
    timed_out: bool = False
    """Whether a task exceeded its own timeout."""


class Failed(Exception):
    """A function of the user failed."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@dataclass(frozen=True)
class Sent:
    """A published message, and its envelope."""

    value: Note
    key: str
    headers: tuple[tuple[str, str], ...] = ()


Address = tuple[str, str]
"""A channel and a key: what a message is for, and what a step waits for."""


@dataclass(frozen=True)
class Letter:
    """A message as it is heard on one channel by one key. What is one message has one id wherever it is heard."""

    to: Address
    value: Any
    id: str
    came: timedelta
    number: int = 0
    """When it came, of all that has happened to the instance; 0 if that was before it began."""


@dataclass(frozen=True)
class Stand:
    """How a step stands, and how often it was begun."""

    status: Status
    begun: int = 0


NEVER = Stand(Status.SKIPPED)


class Piece:
    """One execution of one construct."""

    def __init__(self, world: Reference, node: Any, prefix: str, value: Any, outer: Piece | None) -> None:
        self.world = world
        self.node = node
        self.prefix = prefix
        self.value = value
        self.outer = outer
        self.inside: list[Piece] = []
        self.alive = True
        self.number = world.count()
        self.path = joined(prefix, node.label) if node.label else None

    def begin(self) -> None:
        """Execute as far as it goes."""
        raise NotImplementedError

    def ended(self, piece: Piece, value: Any) -> None:
        """A piece inside ended well."""
        self.done(value)

    def broke(self, piece: Piece, problem: Problem) -> None:
        """A piece inside failed."""
        self.fail(problem)

    def rings(self) -> None:
        """A timer of it is due."""
        raise NotImplementedError

    def start(self, node: nodes.Node, value: Any, prefix: str | None = None) -> None:
        """Begin a piece inside."""
        within = inside(self.node, self.prefix) if prefix is None else prefix
        piece = piece_of(self.world, node, within, value, self)
        self.inside.append(piece)
        piece.begin()

    def mark(self, status: Status) -> None:
        """Say how the step stands, if it is one that is seen."""
        if self.path is not None:
            begun = self.world.steps.get(self.path, NEVER).begun + (status is Status.EXECUTING)
            self.world.steps[self.path] = Stand(status, begun)

    def leave(self) -> None:
        """Nothing executes here any more."""
        self.alive = False
        self.world.forget(self)
        if self.outer is not None and self in self.outer.inside:
            self.outer.inside.remove(self)

    def done(self, value: Any) -> None:
        self.mark(Status.COMPLETED)
        self.leave()
        self.tell_ended(value)

    def fail(self, problem: Problem) -> None:
        self.stop_inside()
        if self.path is not None:
            self.world.failed.append((self.path, self.world.steps[self.path]))
        self.mark(Status.FAILURE)
        self.leave()
        self.tell_broke(problem)

    def tell_ended(self, value: Any) -> None:
        if self.outer is None:
            self.world.conclude(Status.COMPLETED, result=value)
        else:
            self.outer.ended(self, value)

    def tell_broke(self, problem: Problem) -> None:
        if self.outer is None:
            self.world.end_as(Status.FAILURE, problem)
        else:
            self.outer.broke(self, problem)

    def stop_inside(self) -> None:
        for piece in reversed(list(self.inside)):
            piece.stop()

    def stop(self) -> None:
        """Lose: something around it has ended, or somebody wants it."""
        self.stop_inside()
        if self.path is not None and self.world.steps[self.path].status is Status.EXECUTING:
            self.mark(Status.STOPPED)
        self.leave()

    def give_up(self, then: Callable[[], None]) -> None:
        """All inside is stopped, or has failed: run what has to be run for it, and then go on."""
        self.world.give_up(self, self, then)

    @property
    def in_items(self) -> tuple[int, ...]:
        """Which items of which `for_each` it is in."""
        if self.outer is None:
            return ()
        own = (self.outer.numbers[self],) if isinstance(self.outer, EachPiece) else ()
        return (*self.outer.in_items, *own)

    @property
    def in_rounds(self) -> tuple[int, ...]:
        """Which rounds of which loops it is in."""
        if self.outer is None:
            return ()
        own = (self.outer.numbers[self],) if isinstance(self.outer, RepeatPiece) else ()
        return (*self.outer.in_rounds, *own)

    def call(self, fn: Fn, *values: Any) -> Any:
        """Call a pure function of the user."""
        try:
            return fn.call(*values)
        except Exception as error:
            raise Failed(problem_of(error, self.place)) from None

    @property
    def place(self) -> str:
        """The path that an error names."""
        return place_of(self.node, self.prefix)

    @property
    def is_scope(self) -> bool:
        """Whether it bounds for how long a failure counts that is answered inside of it: any body of an item does."""
        kinds = RetryPiece | GroupPiece | BoundPiece | RecoverPiece | EachPiece
        bounds = isinstance(self, kinds | RepeatPiece | SkippablePiece)
        return isinstance(self.outer, EachPiece) or (bounds and not getattr(self, "answering", False))

    def all_inside(self) -> Iterator[Piece]:
        """What executes here, itself included."""
        if self.alive:
            yield self
        for piece in self.inside:
            yield from piece.all_inside()

    def around_here(self) -> Iterator[Piece]:
        """The pieces around it, as far as it belongs to what they execute: what undoes belongs to nothing."""
        for piece in self.around():
            if self.world.is_undoing(piece):
                return
            yield piece

    def around(self) -> Iterator[Piece]:
        """The pieces around it, the nearest first."""
        piece = self.outer
        while piece is not None:
            yield piece
            piece = piece.outer


def problem_of(error: Exception, path: str) -> Problem:
    """The failure of a pure function."""
    return Problem(path, type(error).__name__, type(error), pure=True)


def fits(value: Any, fn: Fn) -> bool:
    """Whether a result is of the type that its function declares."""
    if isinstance(value, Again):
        return any(get_origin(member) is Again for member in members_of(fn.gives))
    kinds = tuple(member for member in members_of(fn.gives) if isinstance(member, type))
    return isinstance(value, kinds)


class ChainPiece(Piece):
    """One after the other."""

    at = 0

    @override
    def begin(self) -> None:
        self.start(self.node.steps[self.at], self.value)

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        self.at += 1
        if self.at == len(self.node.steps):
            self.done(value)
        else:
            self.start(self.node.steps[self.at], value)


class Leaf(Piece):
    """A step that has nothing inside; `execute` may raise Failed."""

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        self.guarded(self.execute)

    def execute(self) -> None:
        raise NotImplementedError

    def guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Failed as failed:
            self.fail(failed.problem)


class CommandPiece(Leaf):
    """Publishes all of its messages or none."""

    @override
    def execute(self) -> None:
        built = self.value if self.node.build is None else self.call(self.node.build, self.value)
        messages = built if isinstance(built, list) else [built]
        sent = [self.sealed(message) for message in messages]
        for message in sent:
            self.world.publish(self.node.topic, message)
        self.done(self.value)

    def sealed(self, message: Any) -> Sent:
        envelope = message if isinstance(message, Message) else Message(message)
        key = envelope.key
        if key is None:
            key = self.call(self.node.topic.partition_key or self.node.topic.key, envelope.value)
        if not key:
            raise Failed(Problem(self.place, "MissingKey", ValueError, pure=True))
        return Sent(envelope.value, key, tuple(sorted(envelope.headers.items())))


class ApplyPiece(Leaf):
    """A pure function on the way."""

    @override
    def execute(self) -> None:
        self.done(self.call(self.node.fn, self.value))

    @property
    @override
    def place(self) -> str:
        return joined(self.prefix, self.node.fn.name)


class SleepPiece(Leaf):
    """A sleep, or the wait for a time."""

    @override
    def execute(self) -> None:
        sleeps = isinstance(self.node, nodes.Sleep)
        pause = self.node.pause if sleeps else self.until(self.call(self.node.at, self.value))
        if pause > ZERO:
            self.world.timer(self, pause)
        else:
            self.done(self.value)

    def until(self, at: Any) -> timedelta:
        if not isinstance(at, datetime):
            raise Failed(Problem(self.place, "TypeError", TypeError, pure=True))
        if at.tzinfo is None:
            raise Failed(Problem(self.place, "ValueError", ValueError, pure=True))
        return at - START - self.world.now

    @override
    def rings(self) -> None:
        self.done(self.value)


class WaitPiece(Leaf):
    """A listener or a signal."""

    address: Address | None = None
    """What it waits for, once it does."""

    @override
    def execute(self) -> None:
        """Take what came early, or wait."""
        address = channel_of(self.node, self.path or ""), self.awaited()
        letter = self.world.early(address, self.world.ordered(self))
        if letter is None:
            self.world.wait(self, address)
        else:
            self.fold(letter)

    def awaited(self) -> str:
        on = getattr(self.node, "on", None)
        if on is None:
            return BUSINESS_KEY
        key = self.call(on, self.value)
        if not key:
            raise Failed(Problem(self.place, "MissingKey", ValueError, pure=True))
        return str(key)

    def take(self, letter: Letter) -> None:
        self.guarded(lambda: self.fold(letter))

    def fold(self, letter: Letter) -> None:
        fn = self.node.fold
        result = letter.value if fn is None else self.call(fn, self.value, letter.value)
        if isinstance(result, Again):
            self.value = result.value
            self.tell_again()
            if isinstance(self.outer, SkippablePiece):
                self.outer.skip(None)
            self.execute()
        elif fn is None or fits(result, fn):
            self.done(result)
        else:
            raise Failed(Problem(self.place, "TypeError", TypeError, pure=True))

    def tell_again(self) -> None:
        """A bound around nothing but this step answers with its latest value."""
        for outer in self.around():
            if isinstance(outer, BoundPiece) and only_step(outer.node.body) is self.node:
                outer.value = self.value

    @override
    def leave(self) -> None:
        super().leave()
        if self.address is not None:
            self.world.unfollow(self.address)


class TaskPiece(Leaf):
    """A task: `retry=` bounds its tries, and `timeout=` each of them, from the call."""

    @override
    def begin(self) -> None:
        if self.node.retry is None:
            super().begin()
        else:
            self.path = None
            self.start(nodes.Retried(body=replace(self.node, retry=None), policy=self.node.retry), self.value)

    @override
    def execute(self) -> None:
        self.world.running.append(self)
        self.called()

    def called(self) -> None:
        """It is called, perhaps anew: its time begins."""
        if self.node.timeout is not None:
            self.world.timer(self, self.node.timeout)

    @override
    def rings(self) -> None:
        assert self.path is not None
        self.world.failed.append((self.path, self.world.steps[self.path]))
        self.mark(Status.STOPPED)
        self.leave()
        self.tell_broke(Problem(self.place, "TimeoutError", TimeoutError, timed_out=True))

    @property
    def attempt(self) -> int:
        """Which try of the innermost retry around it this is."""
        tries = (piece.tries for piece in self.around_here() if isinstance(piece, RetryPiece))
        return next(tries, 1)

    @property
    def call_key(self) -> str:
        """What all tries of one call share: the path, which items of `for_each` it is in, and which rounds of loops."""
        items = "".join(f"[{number}]" for number in self.in_items)
        rounds = ".".join(map(str, self.in_rounds))
        return (self.path or "") + items + (f"#{rounds}" if rounds else "")

    def finish(self, outcome: Outcome) -> None:
        work: Work = self.node.fn.call
        try:
            result = work.outcome(self.value, self.attempt, outcome)
        except Exception as error:
            self.fail(Problem(self.place, type(error).__name__, type(error)))
        else:
            if fits(result, self.node.fn):
                self.done(result)
            else:
                self.fail(Problem(self.place, "TypeError", TypeError))


class ProcessPiece(Piece):
    """A named scope, which may have a longest duration."""

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        if self.node.timeout is None:
            self.start(self.node.body, self.value)
        else:
            self.start_bounded()

    def start_bounded(self) -> None:
        body = nodes.Bounded(body=self.node.body, after=self.node.timeout, otherwise=self.node.otherwise)
        piece = ProcessBound(self.world, body, self.path or "", self.value, self)
        self.inside.append(piece)
        piece.begin()


class PurePiece(Leaf):
    """A pure function that is a step, or a failure by decision."""

    @override
    def execute(self) -> None:
        result = self.call(self.node.fn, self.value)
        if self.node.fails:
            raise Failed(Problem(self.place, "BusinessError", BusinessError, pure=True))
        if not fits(result, self.node.fn):
            raise Failed(Problem(self.place, "TypeError", TypeError, pure=True))
        self.done(result)


class KeptPiece(Piece):
    """A step whose input is given beside its result."""

    @override
    def begin(self) -> None:
        self.start(self.node.body, self.value)

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        self.done((self.value, value))


class BoundPiece(Piece):
    """A longest duration; past it another step answers, or it fails."""

    answering = False

    @override
    def begin(self) -> None:
        self.world.timer(self, self.node.after)
        self.start(self.node.body, self.value)

    @override
    def rings(self) -> None:
        self.stop_inside()
        if self.node.otherwise is None:
            self.fail(Problem(self.place, "TimeoutError", TimeoutError))
        else:
            self.answering = True
            self.give_up(lambda: self.start(self.node.otherwise, self.value))


class ProcessBound(BoundPiece):
    """The longest duration of a process: its error names the process."""

    @property
    @override
    def place(self) -> str:
        return self.prefix


class RetryPiece(Piece):
    """Tries again what fails."""

    tries = 1

    @override
    def begin(self) -> None:
        self.start(self.node.body, self.value)

    @override
    def broke(self, piece: Piece, problem: Problem) -> None:
        policy = self.node.policy
        own_timeout = problem.timed_out and problem.path == self.place
        again = own_timeout or (issubclass(problem.cause, policy.on) and not problem.pure)
        if problem.cause is BusinessError:
            again = BusinessError in policy.kinds
        if self.tries == policy.attempts or not again:
            self.fail(problem)
            return
        pause = min(policy.first * policy.factor ** (self.tries - 1), policy.longest)
        self.tries += 1
        if pause > ZERO:
            self.world.answered(self)
            self.give_up(lambda: self.world.timer(self, pause))
        else:
            self.world.failed.clear()
            self.give_up(self.begin)

    @override
    def rings(self) -> None:
        self.world.over(self)
        self.begin()


class RecoverPiece(Piece):
    """Answers a failure by another step."""

    answering = False

    @override
    def begin(self) -> None:
        self.start(self.node.body, self.value)

    @override
    def broke(self, piece: Piece, problem: Problem) -> None:
        if self.answering or not issubclass(problem.cause, self.node.on or BaseException):
            self.fail(problem)
        else:
            self.answering = True
            self.world.answered(self)
            failure = Failure(self.value, problem.kind, problem.path)
            self.give_up(lambda: self.start(self.node.handler, failure))


class RepeatPiece(Piece):
    """Begins its body anew, with what the round before has given."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.numbers: dict[Piece, int] = {}

    @override
    def begin(self) -> None:
        self.begin_round(self.value)

    def begin_round(self, value: Any) -> None:
        self.mark(Status.EXECUTING)
        piece = piece_of(self.world, self.node.body, inside(self.node, self.prefix), value, self)
        self.inside.append(piece)
        self.numbers[piece] = len(self.numbers) + 1
        piece.begin()

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        try:
            is_done = not isinstance(value, Again) if self.node.until is None else self.call(self.node.until, value)
        except Failed as failed:
            self.fail(failed.problem)
            return
        if is_done:
            self.done(value)
        elif len(self.numbers) == self.node.at_most:
            self.fail(Problem(self.place, "TooManyRounds", TooManyRounds))
        else:
            self.world.over(self)
            self.begin_round(value.value if isinstance(value, Again) else value)


class SkippablePiece(Piece):
    """Steps beside which a listener waits: its message ends them, and what they give goes to it."""

    listener: WaitPiece
    body: Piece | None = None
    skipped = False
    then: Callable[[], None] | None = None
    """What follows once the hooks of the body have run."""
    hooks_run = True

    @override
    def begin(self) -> None:
        self.start_listener()
        if self.alive and not self.skipped and self.listener.alive:
            self.body = piece_of(self.world, self.node.body, self.prefix, self.value, self)
            self.inside.append(self.body)
            self.body.begin()

    def start_listener(self) -> None:
        self.listener = WaitPiece(self.world, self.node.to, self.prefix, self.value, self)
        self.inside.append(self.listener)
        self.listener.begin()

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        if piece is self.listener:
            self.skip(lambda: self.done(value))
        else:
            self.body = None
            self.listener.value = value
            self.listener.guarded(self.listener.execute)

    def skip(self, then: Callable[[], None] | None) -> None:
        """A message has come: stop what executes of the body, and go on once its hooks have run."""
        self.skipped, self.then = True, then
        if self.body is not None:
            body, self.body, self.hooks_run = self.body, None, False
            body.stop()
            self.world.give_up(body, self, self.ran, undoes=False)
        elif then is not None and self.hooks_run:
            then()

    def ran(self) -> None:
        """The hooks of the body have run."""
        self.hooks_run = True
        if self.then is not None:
            self.then()


class GroupPiece(Piece):
    """Branches side by side; the group ends when enough have succeeded, or too few still can."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.branches: dict[Piece, int] = {}
        self.results: dict[int, Any] = {}
        self.failures = 0
        count = len(self.node.branches)
        needs = {nodes.AllOf: count, nodes.AnyOf: 1, nodes.Race: 1}
        self.needed = needs.get(type(self.node)) or self.node.k

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        for number, branch in enumerate(self.node.branches):
            if self.alive:
                self.start_branch(number, branch)

    def start_branch(self, number: int, branch: nodes.Node) -> None:
        piece = piece_of(self.world, branch, inside(self.node, self.prefix), self.value, self)
        self.inside.append(piece)
        self.branches[piece] = number
        piece.begin()

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        self.results[self.branches[piece]] = value
        if len(self.results) == self.needed:
            self.stop_inside()
            self.mark(Status.COMPLETED)
            outer = self.outer
            self.leave()
            winners = [piece for piece, number in self.branches.items() if number in self.results]
            self.world.give_up(self, outer, lambda: self.tell_ended(self.together()), winners)

    def together(self) -> Any:
        values = [self.results[number] for number in sorted(self.results)]
        match self.node:
            case nodes.AllOf():
                return tuple(values)
            case nodes.AnyOf() | nodes.Race():
                return values[0]
            case _:
                return values

    @override
    def broke(self, piece: Piece, problem: Problem) -> None:
        self.failures += 1
        if getattr(self.node, "collect", False):
            self.world.answered(self)
            failure = Failure(self.value, problem.kind, problem.path)
            self.world.give_up(piece, self, lambda: self.ended(piece, failure))
        elif isinstance(self.node, nodes.Race):
            self.fail(problem)
        elif len(self.node.branches) - self.failures < self.needed:
            all_failed = Problem(self.place, "AllFailed", problem.cause, problem.pure)
            self.fail(problem if isinstance(self.node, nodes.AllOf) else all_failed)
        else:
            self.world.answered(self)
            self.world.give_up(piece, self, lambda: None)


class SwitchPiece(Piece):
    """One branch of several."""

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        try:
            chosen = self.call(self.node.fn, self.value)
        except Failed as failed:
            self.fail(failed.problem)
            return
        branches = list(branches_of_switch(self.node, self.prefix))
        values = [value for value, _ in self.node.cases]
        for value, (prefix, branch) in zip(values, branches, strict=False):
            if value == chosen and type(value) is type(chosen):
                self.start(branch, self.value, prefix)
                return
        if self.node.default is None:
            self.fail(Problem(self.place, "LookupError", LookupError, pure=True))
        else:
            prefix, branch = branches[-1]
            self.start(branch, self.value, prefix)


class MatchPiece(Piece):
    """One branch of several, by the type of the value."""

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        prefix = joined(self.prefix, self.node.name) if self.node.name else self.prefix
        for member, branch in self.node.cases:
            if type(self.value) is member:
                self.start(branch, self.value, joined(prefix, member.__name__))
                return
        self.fail(Problem(self.place, "TypeError", TypeError, pure=True))


class EachPiece(Piece):
    """One body for each item, so many at a time, begun in the order of the items."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.items: list[Any] = []
        self.failures = 0
        self.numbers: dict[Piece, int] = {}
        self.results: dict[int, Any] = {}

    @override
    def begin(self) -> None:
        self.mark(Status.EXECUTING)
        try:
            self.items = self.call(self.node.items, self.value)
        except Failed as failed:
            self.fail(failed.problem)
            return
        if not all(isinstance(item, int) for item in self.items):
            self.fail(Problem(self.place, "TypeError", TypeError, pure=True))
            return
        if not self.items:
            self.done([])
            return
        if len(self.items) < (self.node.enough or 0):
            self.fail(Problem(self.place, "ValueError", ValueError, pure=True))
            return
        for _ in range(self.node.limit or len(self.items)):
            self.begin_next()

    def begin_next(self) -> None:
        number = len(self.numbers)
        if self.alive and number < len(self.items):
            piece = piece_of(self.world, self.node.body, inside(self.node, self.prefix), self.items[number], self)
            self.inside.append(piece)
            self.numbers[piece] = number
            piece.begin()

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        self.results[self.numbers[piece]] = value
        if len(self.results) == (self.node.enough or len(self.items)):
            self.end_well()
        else:
            self.begin_next()

    @override
    def broke(self, piece: Piece, problem: Problem) -> None:
        if self.node.collect:
            self.world.answered(self)
            failure = Failure(self.items[self.numbers[piece]], problem.kind, problem.path)
            self.world.give_up(piece, self, lambda: self.ended(piece, failure))
        elif self.node.enough is None:
            self.fail(problem)
        else:
            self.failures += 1
            if len(self.items) - self.failures < self.node.enough:
                self.fail(Problem(self.place, "AllFailed", problem.cause, problem.pure))
            else:
                self.world.answered(self)
                self.world.give_up(piece, self, self.begin_next)

    def end_well(self) -> None:
        """Enough have succeeded; the others are given up."""
        self.stop_inside()
        self.mark(Status.COMPLETED)
        outer, results = self.outer, [self.results[number] for number in sorted(self.results)]
        self.leave()
        winners = [piece for piece, number in self.numbers.items() if number in self.results]
        self.world.give_up(self, outer, lambda: self.tell_ended(results), winners)


PIECES: dict[type[nodes.Construct], type[Piece]] = {
    nodes.Chain: ChainPiece,
    nodes.Command: CommandPiece,
    nodes.Listen: WaitPiece,
    nodes.Await: WaitPiece,
    nodes.Task: TaskPiece,
    nodes.Pure: PurePiece,
    nodes.Sleep: SleepPiece,
    nodes.Until: SleepPiece,
    nodes.Apply: ApplyPiece,
    nodes.Process: ProcessPiece,
    nodes.AllOf: GroupPiece,
    nodes.AnyOf: GroupPiece,
    nodes.AtLeast: GroupPiece,
    nodes.Race: GroupPiece,
    nodes.SwitchNode: SwitchPiece,
    nodes.MatchNode: MatchPiece,
    nodes.ForEach: EachPiece,
    nodes.Retried: RetryPiece,
    nodes.Bounded: BoundPiece,
    nodes.Recovered: RecoverPiece,
    nodes.KeptNode: KeptPiece,
    nodes.Repeat: RepeatPiece,
    nodes.Skippable: SkippablePiece,
}


def piece_of(world: Reference, node: nodes.Node, prefix: str, value: Any, outer: Piece | None) -> Piece:
    """An execution of a construct, not yet begun."""
    return PIECES[type(node)](world, node, prefix, value, outer)


def only_step(node: nodes.Node) -> nodes.Node:
    """What a body is, where it is one step, with nothing around it that answers in its place."""
    if isinstance(node, nodes.Compensated | nodes.Hooked) or (
        isinstance(node, nodes.Process) and node.otherwise is None
    ):
        return only_step(node.body)
    return node


def channel_of(node: Any, path: str) -> str:
    """What a step waits on: a signal, a topic, or, where it computes keys of its own, a topic seen its own way."""
    if isinstance(node, nodes.Await):
        return f"signal {node.signal}"
    return f"topic {node.topic.name}" + (f" at {path}" if node.by else "")
