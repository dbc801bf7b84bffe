"""What a template means: a naive evaluator, written to be read, that shares no code with what it is compared with.

It walks the tree of the language itself. `pieces.py` is what executes, one class a construct; `Reference` is the
world around one instance: the clock, the post, the tasks that run, and what can be seen from outside.

The rules that it follows:

* branches are begun in the order written, each as far as it goes, before the next is;
* a message is taken once, by the step that has waited longest; `Again` goes on waiting, at its old place;
* messages that come early are kept for a channel and a key: the oldest first, so many, for so long;
* a task that has exceeded its own timeout is ended before any other timer fires: its worker does it;
* of the other timers that are due the earliest fires; at one time what ends well (a sleep, the pause before the next
  try) goes before the bounds that run out, and goes in the order in which it began; of bounds the one that was begun
  last goes first, and so what is inside before what is around it;
* a pure function is never tried again;
* what executes and loses is STOPPED, what never started is SKIPPED. A step that is in several items of a
  `for_each` has one status: FAILURE while it has failed in an item and what answers that goes on, EXECUTING while it
  executes in one, else the last that was said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from dagger import Status, Template, Topic
from dagger.dsl import nodes
from dagger.dsl.paths import joined, parts, walk
from tests.model.pieces import (
    NEVER,
    ZERO,
    Address,
    BoundPiece,
    EachPiece,
    Letter,
    Piece,
    Problem,
    Sent,
    Stand,
    TaskPiece,
    WaitPiece,
    channel_of,
    piece_of,
)
from tests.model.undoing import EndingPiece, Order, UndoingPiece, give_up
from tests.model.words import BUSINESS_KEY, Note, Outcome, plain

KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True)
class View:
    """What can be seen of an instance from outside."""

    status: Status
    result: Any
    error: tuple[str, str] | None
    sent: dict[str, list[Sent]]
    steps: dict[str, Stand]


@dataclass(frozen=True)
class Listener:
    """Something that waits: its node and path, the undo or hook that it is in, and whether it is begun repeatedly."""

    node: nodes.Listen | nodes.Await
    path: str
    aside: nodes.Node | None
    repeats: bool


def listeners_of(
    node: nodes.Node, prefix: str = "", aside: nodes.Node | None = None, repeats: bool = False
) -> Iterator[Listener]:
    """All that wait for something in a tree."""
    if isinstance(node, nodes.Listen | nodes.Await):
        yield Listener(node, joined(prefix, node.label), aside, repeats)
    again = repeats or isinstance(node, nodes.Retried | nodes.ForEach)
    for within, child in parts(node, prefix):
        is_aside = isinstance(node, nodes.Compensated | nodes.Hooked) and child is not node.body
        yield from listeners_of(child, within, child if is_aside else aside, again)


@dataclass(eq=False)
class Timer:
    """Something that rings."""

    due: timedelta
    piece: Piece

    @property
    def order(self) -> tuple[bool, timedelta, bool, int]:
        """Tasks in the order of their calls; then earlier first, what ends well before the bounds that run out."""
        if isinstance(self.piece, TaskPiece):
            return False, self.due, False, self.piece.number
        runs_out = isinstance(self.piece, BoundPiece)
        return True, self.due, runs_out, -self.piece.number if runs_out else self.piece.number


@dataclass(eq=False)
class Reference:
    """One instance of a template, and the world that it lives in. Times are counted from START.

    A message comes to the place of its key. An instance whose id is its business key lives there; any other
    place it follows, for as long as a step of it waits for what comes there (the place of its business key for
    as long as it lives), and what comes is sent on to it. All that goes from place to place is in `post`, and
    comes in the order in which it was sent.
    """

    template: Template[Any, Any]
    id: str = BUSINESS_KEY
    early_limit: int = 16
    now: timedelta = ZERO
    late: bool = False
    """Whether timers are not rung for now."""
    status: Status = Status.NOT_STARTED
    result: Any = None
    problem: Problem | None = None
    steps: dict[str, Stand] = field(default_factory=dict[str, Stand])
    sent: dict[str, list[Sent]] = field(default_factory=dict[str, list[Sent]])
    body: Piece | None = None
    failed: list[tuple[str, Stand]] = field(default_factory=list[tuple[str, Stand]])
    """The steps through which a failure has gone that is not answered yet, each as it stood before."""
    undos: list[Order] = field(default_factory=list[Order])
    """What has completed can be undone by these."""
    given_up: list[Any] = field(default_factory=list[Any])
    """The pieces with hooks and undos that have just been stopped, or have failed."""
    is_ending: bool = False
    """Whether it is known how the instance ends."""
    failing: list[tuple[Piece, str]] = field(default_factory=list[tuple[Piece, str]])
    """The steps that have failed in an item, by the scope within which that was answered."""
    numbers: int = 0
    running: list[TaskPiece] = field(default_factory=list[TaskPiece])
    waiting: list[WaitPiece] = field(default_factory=list[WaitPiece])
    timers: list[Timer] = field(default_factory=list[Timer])
    post: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    followed: set[Address] = field(default_factory=set[Address])
    boxes: list[Letter] = field(default_factory=list[Letter])
    """What is kept at the places of keys."""
    kept: list[Letter] = field(default_factory=list[Letter])
    """What is kept with the instance."""
    taken: set[str] = field(default_factory=set[str])
    given: set[tuple[Address, str]] = field(default_factory=set[tuple[Address, str]])
    """What the places of keys have sent on: what comes there again goes nowhere."""
    away: bool = False
    """Whether no worker knows its template as it was when it began."""
    parked: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """What has happened to it meanwhile, in order."""

    # What happens to it.

    def release(self, knows: bool) -> None:
        """Workers that know its template, or do not, take over; what has waited for those that do happens now."""
        self.away = not knows
        self.restart()
        waiting, self.parked = self.parked, []
        for one in waiting:
            self.happens(one)
        self.run_until_idle()

    def happens(self, what: Callable[[], None]) -> None:
        """Something happens to the instance, or waits for a worker that knows its template."""
        if self.away:
            self.parked.append(what)
        else:
            what()

    def start(self, value: Any) -> None:
        """Begin; what is there already goes on as it is."""
        self.happens(partial(self.begin, value))
        self.run_until_idle()

    def begin(self, value: Any) -> None:
        if self.status is Status.NOT_STARTED:
            self.status = Status.EXECUTING
            self.move_in()
            self.body = piece_of(self, self.template.body, "", value, None)
            self.body.begin()

    def deliver(self, topic: Topic[Any], note: Note, id: str | None) -> None:
        """A message comes from outside."""
        self.send(topic, note, None if id is None else f"{topic.name}/{id}")
        self.run_until_idle()

    def signal(self, name: str, word: int) -> None:
        """A signal comes; it is addressed to the instance, wherever that lives."""
        self.receive(Letter((f"signal {name}", BUSINESS_KEY), word, self.new_id(), self.now))
        self.run_until_idle()

    def finish(self, call_key: str, outcome: Outcome) -> None:
        """A running task ends."""
        (task,) = [task for task in self.running if task.call_key == call_key]
        self.happens(partial(self.finished, task, outcome))
        self.run_until_idle()

    def finished(self, task: TaskPiece, outcome: Outcome) -> None:
        if task in self.running:
            task.finish(outcome)

    def stop(self) -> None:
        """Somebody wants it to end."""
        self.happens(self.stopped)
        self.run_until_idle()

    def stopped(self) -> None:
        if self.status is Status.EXECUTING and self.body is not None and not self.is_ending:
            self.body.stop()
            self.end_as(Status.STOPPED)

    def end_as(self, status: Status, problem: Problem | None = None) -> None:
        """The instance ends, after all that has to be run for that."""
        self.is_ending = True
        self.give_up(None, None, lambda: self.conclude(status, problem=problem))

    def give_up(
        self,
        piece: Piece | None,
        outer: Piece | None,
        then: Callable[[], None],
        spared: Collection[Piece] = (),
        *,
        undoes: bool = True,
    ) -> None:
        give_up(self, piece, outer, then, spared, undoes=undoes)

    def is_undoing(self, piece: Piece) -> bool:
        return isinstance(piece, UndoingPiece)

    def ordered(self, piece: Piece) -> int:
        """When the undo or hook was ordered that a step is part of; -1 for one that is part of none."""
        return next((one.order.ordered for one in piece.around() if isinstance(one, UndoingPiece)), -1)

    def advance(self, by: timedelta) -> None:
        """Time goes from timer to timer."""
        target = self.now + by
        self.late = False
        self.run_until_idle()
        while (due := self.next_due()) is not None and due <= target:
            self.now = due
            self.run_until_idle()
        self.now = target
        self.run_until_idle()

    def next_due(self) -> timedelta | None:
        """When the next timer rings; none does behind what waits for a worker."""
        return None if self.parked else min((timer.due for timer in self.timers), default=None)

    def restart(self) -> None:
        """Another worker takes over, and calls the tasks that run again, if it knows them."""
        for piece in self.running:
            self.timers = [timer for timer in self.timers if timer.piece is not piece]
            if not self.away:
                piece.called()

    def lag(self, by: timedelta) -> None:
        """Time goes on, and no timer is rung before the next `advance`."""
        self.late = True
        self.now += by

    # What is seen of it.

    @property
    def task_keys(self) -> list[str]:
        """The tasks that run, by what names a call."""
        return [] if self.away else sorted(task.call_key for task in self.running)

    @property
    def view(self) -> View:
        error = (self.problem.path, self.problem.kind) if self.problem else None
        return View(self.status, plain(self.result), error, self.sent, self.seen_steps())

    def seen_steps(self) -> dict[str, Stand]:
        """Each step that was begun, and, once nothing follows, those that never were."""
        if not self.status.is_end:
            return {path: Stand(self.worst(path, stand.status), stand.begun) for path, stand in self.steps.items()}
        return {path: self.steps.get(path, NEVER) for path, _ in walk(self.template.body)}

    def worst(self, path: str, said: Status) -> Status:
        """How a step stands over all items."""
        if any(scope.alive and failed == path for scope, failed in self.failing):
            return Status.FAILURE
        live = [] if self.body is None else self.body.all_inside()
        return Status.EXECUTING if any(piece.path == path for piece in live) else said

    # What pieces ask for.

    def answered(self, piece: Piece) -> None:
        """A failure goes no further than this piece."""
        scope = next((outer for outer in (piece, *piece.around()) if outer.is_scope), None)
        if scope is not None and (scope.in_items or isinstance(scope, EachPiece)):
            self.failing += [(scope, path) for path, _ in self.failed]
            self.steps |= {path: before for path, before in self.failed if before.status is Status.COMPLETED}
        self.failed.clear()

    def over(self, piece: Piece) -> None:
        """What was answered by this piece does not count any more."""
        self.failing = [(scope, path) for scope, path in self.failing if scope is not piece]

    def count(self) -> int:
        self.numbers += 1
        return self.numbers

    def publish(self, topic: Topic[Any], message: Sent) -> None:
        self.sent.setdefault(topic.name, []).append(message)
        self.send(topic, message.value, None)

    def timer(self, piece: Piece, after: timedelta) -> None:
        self.timers.append(Timer(self.now + after, piece))

    def wait(self, piece: WaitPiece, address: Address) -> None:
        """Follow what the step waits for now, and no longer what it has waited for."""
        self.follow(address)
        before, piece.address = piece.address, address
        if before is None:
            self.waiting.append(piece)
        else:
            self.unfollow(before)

    def early(self, address: Address, since: int) -> Letter | None:
        """The oldest message that was kept for a step, and has come since then; it is taken."""
        kept = (letter for letter in self.fresh(self.kept) if letter.to == address and letter.number > since)
        letter = next(kept, None)
        if letter is not None:
            self.take(letter)
        return letter

    def forget(self, piece: Piece) -> None:
        """Nothing reaches a piece any more."""
        self.timers = [timer for timer in self.timers if timer.piece is not piece]
        self.waiting = [waiting for waiting in self.waiting if waiting is not piece]
        self.running = [running for running in self.running if running is not piece]

    def conclude(self, status: Status, *, result: Any = None, problem: Problem | None = None) -> None:
        self.status, self.result, self.problem = status, result, problem

    # Messages at the places of their keys.

    def send(self, topic: Topic[Any], note: Note, id: str | None) -> None:
        """To the place of every key by which a channel hears the message."""
        id = id or self.new_id()
        for address in self.addresses(topic, note):
            self.post.append(partial(self.arrive, Letter(address, note, id, self.now)))

    def addresses(self, topic: Topic[Any], note: Note) -> list[Address]:
        """On which channels a message is heard, and by which keys."""
        found = list[Address]()
        for path, node in walk(self.template.body):
            if isinstance(node, nodes.Listen) and node.topic == topic:
                keys = (node.by or topic.key).call(note)
                found += [(channel_of(node, path), key) for key in (keys if isinstance(keys, list) else [keys])]
        return list(dict.fromkeys(found))

    def arrive(self, letter: Letter) -> None:
        """At the place of a key: whoever lives there or follows it gets the message, or else it is kept.

        Where something waits for a worker already, all that comes after it does.
        """
        waits = self.parked or (self.away and letter.to in self.followed)
        if waits and letter.to[1] == self.id:
            self.parked.append(partial(self.arrive, letter))
        elif self.lives_at(letter.to):
            self.receive(letter)
        elif (letter.to, letter.id) in self.given:
            pass
        elif letter.to in self.followed:
            self.send_on([letter])
        else:
            self.keep(self.boxes, letter)

    @cached_property
    def open_addresses(self) -> list[Address]:
        """What the instance hears by its business key, for as long as it lives."""
        found = dict[Address, None]()
        for path, node in walk(self.template.body):
            if isinstance(node, nodes.Listen) and node.on is None:
                found[channel_of(node, path), BUSINESS_KEY] = None
        return list(found)

    def lives_at(self, address: Address) -> bool:
        started = self.status is not Status.NOT_STARTED
        return started and self.id == BUSINESS_KEY and address in self.open_addresses

    def move_in(self) -> None:
        """Take over what was kept at the business key, or ask for it."""
        if self.id == BUSINESS_KEY:
            self.kept = self.emptied(self.open_addresses)
        else:
            self.post.append(partial(self.ask, self.open_addresses))

    def follow(self, address: Address) -> None:
        """A step is going to wait: from now on what comes to a computed key is wanted."""
        if self.is_computed(address) and not self.is_awaited(address):
            self.post.append(partial(self.ask, [address]))

    def unfollow(self, address: Address) -> None:
        """A step does not wait for it any more."""
        if self.is_computed(address) and not self.is_awaited(address):
            self.post.append(partial(self.followed.discard, address))

    def ask(self, addresses: list[Address]) -> None:
        """At the places of keys: send on what comes, and what was kept."""
        self.followed.update(addresses)
        self.send_on(self.emptied(addresses))

    def send_on(self, letters: list[Letter]) -> None:
        """From the places of keys to the instance that follows them."""
        self.given.update((letter.to, letter.id) for letter in letters)
        self.post += [partial(self.receive, letter) for letter in letters]

    def is_computed(self, address: Address) -> bool:
        channel, _ = address
        return channel.startswith("topic") and address not in self.open_addresses

    def is_awaited(self, address: Address) -> bool:
        return any(piece.address == address for piece in self.waiting)

    def emptied(self, addresses: list[Address]) -> list[Letter]:
        """What was kept at the places of keys, and is no more."""
        found = [letter for letter in self.fresh(self.boxes) if letter.to in addresses]
        self.boxes = [letter for letter in self.boxes if letter.to not in addresses]
        return found

    # Messages at the instance.

    def receive(self, letter: Letter) -> None:
        """A message has come to the instance."""
        self.happens(partial(self.received, letter))

    def received(self, letter: Letter) -> None:
        """To the step that has waited longest, once; or it is kept."""
        if self.status is not Status.EXECUTING or letter.id in self.taken:
            return
        for piece in self.waiting:
            if piece.address == letter.to:
                self.take(letter)
                piece.take(letter)
                return
        if any(self.may_come(listener, letter.to) for listener in self.listeners):
            self.keep(self.kept, replace(letter, number=self.count()))

    @cached_property
    def listeners(self) -> list[Listener]:
        """All that wait for something."""
        return list(listeners_of(self.template.body))

    def may_come(self, listener: Listener, address: Address) -> bool:
        """Whether a listener may still wait for what comes to an address."""
        if channel_of(listener.node, listener.path) != address[0]:
            return False
        if listener.aside is not None and not any(order.node is listener.aside for order in self.orders()):
            return False
        computed = getattr(listener.node, "on", None) is not None
        stands = self.steps.get(listener.path, NEVER).status if listener.path in self.steps else Status.NOT_STARTED
        open_still = stands in (Status.NOT_STARTED, Status.EXECUTING)
        return (computed or address[1] == BUSINESS_KEY) and (listener.repeats or open_still)

    def orders(self) -> Iterator[Order]:
        """All that is to be run because something was given up, or runs."""
        for piece in [] if self.body is None else self.body.all_inside():
            if isinstance(piece, EndingPiece):
                yield from (*piece.hooks, *piece.undos)
            if isinstance(piece, UndoingPiece):
                yield piece.order

    def take(self, letter: Letter) -> None:
        """A message is taken once, on whatever channels it is heard."""
        self.taken.add(letter.id)
        self.kept = [other for other in self.kept if other.id != letter.id]

    def keep(self, box: list[Letter], letter: Letter) -> None:
        """So many for a channel and a key, and none twice."""
        others = [other for other in self.fresh(box) if other.to == letter.to]
        if len(others) < self.early_limit and all(other.id != letter.id for other in others):
            box.append(letter)

    def fresh(self, box: list[Letter]) -> list[Letter]:
        """The kept messages whose time is not over."""
        return [letter for letter in box if self.now < letter.came + KEPT_FOR]

    def new_id(self) -> str:
        return f"#{self.count()}"

    # Time.

    def run_until_idle(self) -> None:
        """Ring what is due, then bring the post, until nothing is left to do now."""
        while True:
            timer = None if self.late else self.due_timer()
            if timer is not None and not self.away:
                self.ring(timer)
            elif timer is not None and not self.parked:
                self.parked.append(self.ring_all)
            elif self.post:
                self.post.pop(0)()
            else:
                return

    def due_timer(self) -> Timer | None:
        due = (timer for timer in self.timers if timer.due <= self.now)
        return min(due, key=lambda timer: timer.order, default=None)

    def ring_all(self) -> None:
        """Ring all that is due."""
        while (timer := self.due_timer()) is not None:
            self.ring(timer)

    def ring(self, timer: Timer) -> None:
        self.timers.remove(timer)
        timer.piece.rings()
