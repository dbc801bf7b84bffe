"""What the rules of giving up and undoing say, as one small interpreter that shares nothing with the machine.

It reads terms, not operations. Every term that executes is a `Place`, and a place knows the one around it. What has
completed and can be undone is in one list for the whole instance, each with the place where it completed: giving up a
place undoes what is in the list inside of it. Whatever goes on, goes on by a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from typing_extensions import override

from dagger.dsl.values import Failure

Then: TypeAlias = Callable[[Any], None]
SECOND: Final = 1_000_000


# Terms.


@dataclass(frozen=True)
class Job:
    path: str


@dataclass(frozen=True)
class Rest:
    path: str
    seconds: int


@dataclass(frozen=True)
class Row:
    """One after the other."""

    parts: tuple[Term, ...]


@dataclass(frozen=True)
class Within:
    """A named scope."""

    path: str
    body: Term


@dataclass(frozen=True)
class Group:
    """Ends well with `needed` of its branches."""

    kind: str
    branches: tuple[Term, ...]
    needed: int


@dataclass(frozen=True)
class Items:
    path: str
    count: int
    limit: int | None
    body: Term


@dataclass(frozen=True)
class Bound:
    body: Term
    seconds: int
    otherwise: Term | None


@dataclass(frozen=True)
class Tries:
    body: Term
    attempts: int
    pause: int


@dataclass(frozen=True)
class Handled:
    body: Term
    handler: Term


@dataclass(frozen=True)
class Undone:
    body: Term
    undo: Term


@dataclass(frozen=True)
class Hooked:
    body: Term
    hook: Term


Term: TypeAlias = Job | Rest | Row | Within | Group | Items | Bound | Tries | Handled | Undone | Hooked


# What executes.


def _nothing(_: Any) -> None:
    """Nothing follows."""


@dataclass(eq=False)
class Place:
    """A term that executes, or a branch, an item, something that undoes, an end that waits."""

    kind: str
    up: Place | None
    born: int
    value: Any = None
    term: Any = None
    items: str = ""
    """Of an item, `[2]`; of what undoes, the items that it is for."""
    due: int = 0
    tries: int = 1
    then: Then = _nothing
    ended: dict[int, Any] = field(default_factory=dict[int, Any])
    reasons: dict[int, str] = field(default_factory=dict[int, str])
    number: int = 0
    hooks: list[Order] = field(default_factory=list["Order"])
    undos: list[Order] = field(default_factory=list["Order"])
    runs: int = 0
    """How many of its hooks and undos run now."""

    def around(self) -> Iterator[Place]:
        """The place, and those around it."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.up


@dataclass(eq=False)
class Order:
    """A hook or an undo that may have to be run; `done` counts what has completed."""

    term: Term
    value: Any
    items: str
    done: int = 0
    at: Place | None = None


@dataclass(frozen=True)
class Error:
    path: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class Rules:
    """One instance of a term."""

    def __init__(self, term: Term, value: Any, now: int) -> None:
        self.now = now
        self.births = 0
        self.live: list[Place] = []
        self.done: list[Order] = []
        self.begun: list[Place] = []
        """The jobs that the last event has begun."""
        self.called_off: list[Place] = []
        self.rows: dict[str, tuple[str, int, int, int]] = {}
        self.status = "EXECUTING"
        self.error = ""
        self.result: Any = None
        root = self._place("root", None)
        self.run(term, root, value, lambda result: self._end("COMPLETED", result=result))

    # What is seen of it.

    @property
    def orders(self) -> list[tuple[str, Any]]:
        """The jobs that are ordered by the last event, each with its input."""
        return [(self.name(one), one.value) for one in self.begun if one not in self.called_off]

    @property
    def cancels(self) -> list[str]:
        """The jobs that are called off by the last event."""
        return [self.name(one) for one in self.called_off if one not in self.begun]

    # Events.

    def jobs(self) -> dict[str, Place]:
        return {self.name(place): place for place in self.live if place.kind == "job"}

    def succeeds(self, name: str, result: int) -> None:
        job = self._leave_job(name)
        self._finish(job.term.path, "COMPLETED")
        job.then(result)

    def fails(self, name: str, text: str, *, stopped: bool = False) -> None:
        job = self._leave_job(name)
        self._finish(job.term.path, "STOPPED" if stopped else "FAILURE")
        self.climb(job, Error(job.term.path, text))

    def stops(self) -> None:
        self._heard()
        if any(place.kind == "end" and place.up is None for place in self.live):
            return
        self.give_up(self._root(), lambda: self._end("STOPPED"))

    def passes(self, seconds: int) -> None:
        self._heard()
        self.now += seconds * SECOND
        while self.status == "EXECUTING":
            due = [place for place in self.live if 0 < place.due <= self.now]
            if not due:
                return
            self._fires(min(due, key=lambda one: (one.due, one.kind == "bound", self._order(one))))

    def _order(self, place: Place) -> int:
        return -place.born if place.kind == "bound" else place.born

    def _fires(self, place: Place) -> None:
        if place.kind == "bound":
            if place.term.otherwise is None:
                seconds = place.term.seconds
                self.climb(place, Error("bound", f"TimeoutError: took longer than {seconds} s"))
            else:
                self.give_up(place, lambda: self.run(place.term.otherwise, place.up, place.value, place.then))
            return
        self._gone(place)
        if place.kind == "rest":
            self._finish(place.term.path, "COMPLETED")
        place.then(place.value)

    # Terms begin.

    def run(self, term: Term, up: Place | None, value: Any, then: Then) -> None:
        """A term begins with a value; `then` gets its result."""
        if isinstance(term, Row):
            self._row(term.parts, up, value, then)
            return
        kind = type(term).__name__.lower()
        place = self._place(kind, up, value, term, then)
        getattr(self, f"_{kind}")(place, term)

    def _row(self, parts: tuple[Term, ...], up: Place | None, value: Any, then: Then) -> None:
        if not parts:
            then(value)
            return
        self.run(parts[0], up, value, lambda result: self._row(parts[1:], up, result, then))

    def _job(self, place: Place, term: Job) -> None:
        self._begin(term.path)
        self.begun.append(place)

    def _rest(self, place: Place, term: Rest) -> None:
        self._begin(term.path)
        place.due = self.now + term.seconds * SECOND
        if not term.seconds:
            self._gone(place)
            self._finish(term.path, "COMPLETED")
            place.then(place.value)

    def _within(self, place: Place, term: Within) -> None:
        self._begin(term.path)

        def ended(result: Any) -> None:
            self._gone(place)
            self._finish(term.path, "COMPLETED")
            place.then(result)

        self.run(term.body, place, place.value, ended)

    def _passing(self, place: Place, body: Term) -> None:
        self.run(body, place, place.value, lambda result: self._ends(place, result))

    def _ends(self, place: Place, result: Any) -> None:
        self._gone(place)
        place.then(result)

    def _bound(self, place: Place, term: Bound) -> None:
        place.due = self.now + term.seconds * SECOND
        self._passing(place, term.body)

    def _tries(self, place: Place, term: Tries) -> None:
        self._passing(place, term.body)

    def _handled(self, place: Place, term: Handled) -> None:
        self._passing(place, term.body)

    def _hooked(self, place: Place, term: Hooked) -> None:
        self._passing(place, term.body)

    def _undone(self, place: Place, term: Undone) -> None:
        def ended(result: Any) -> None:
            self._gone(place)
            undo = Order(term.undo, result, self.items(place.up), self._birth(), place.up)
            self.done.append(undo)
            place.then(result)

        self.run(term.body, place, place.value, ended)

    def _group(self, place: Place, term: Group) -> None:
        for number, branch in enumerate(term.branches):
            if place not in self.live:
                return
            one = self._place("branch", place, number=number)
            self.run(branch, one, place.value, self._branch_ended(place, term, one))

    def _branch_ended(self, place: Place, term: Group, one: Place) -> Then:
        def ended(result: Any) -> None:
            self._gone(one)
            place.ended[one.number] = result
            if len(place.ended) < term.needed:
                return
            values = [place.ended[number] for number in sorted(place.ended)]
            found = tuple(values) if term.kind == "all" else values[0] if term.kind == "any" else values
            self.give_up(place, lambda: place.then(found), but=place.ended)

        return ended

    def _items(self, place: Place, term: Items) -> None:
        self._begin(term.path)
        place.number = min(term.limit or term.count, term.count)
        self._feed(place, term)

    def _feed(self, place: Place, term: Items) -> None:
        """Begin as many items as are to begin, one behind the other."""
        place.tries += 1
        while place.number and place in self.live:
            place.number -= 1
            number = place.runs
            place.runs += 1
            item = self._place("item", place, items=f"[{number}]", number=number)
            self.run(term.body, item, number, self._item_ended(place, term, item))
        place.tries -= 1

    def _item_ended(self, place: Place, term: Items, item: Place) -> Then:
        def ended(result: Any) -> None:
            self._gone(item)
            place.ended[item.number] = result
            if len(place.ended) == term.count:
                self._gone(place)
                self._finish(term.path, "COMPLETED")
                place.then([place.ended[number] for number in range(term.count)])
            elif place.runs + place.number < term.count:
                place.number += 1
                if place.tries == 1:
                    self._feed(place, term)

        return ended

    # Failures.

    def climb(self, place: Place, error: Error) -> None:
        """A failure looks for what answers it; nothing is stopped meanwhile."""
        failed, inner = {place}, place
        for one in list(place.around())[1:]:
            if self._answers(one, inner, error, failed):
                return
            failed.add(one)
            if one.kind in ("within", "items"):
                self._finish(one.term.path, "FAILURE")
            if one.kind == "group" and one.term.kind != "all":
                error = self._all_failed(one)
            inner = one
        self.give_up(self._root(), lambda: self._end("FAILURE", error=str(error)), failed)

    def _answers(self, one: Place, inner: Place, error: Error, failed: set[Place]) -> bool:
        term = one.term
        match one.kind:
            case "tries" if one.tries < term.attempts:
                self.give_up(one, lambda: self._next_try(one), failed)
            case "handled":
                failure = Failure(one.value, error.text, error.path)
                self.give_up(one, lambda: self.run(term.handler, one.up, failure, one.then), failed)
            case "group":
                one.reasons[inner.number] = str(error)
                if len(one.reasons) > len(term.branches) - term.needed:
                    return False
                self.give_up(inner, lambda: None, failed)
            case "undoing":
                end = one.up
                assert end is not None
                self.give_up(one, lambda: self._ran(end), failed)
            case _:
                return False
        return True

    def _all_failed(self, group: Place) -> Error:
        kind, needed = group.term.kind, group.term.needed
        need = "no branch succeeded" if kind == "any" else f"fewer than {needed} branches can succeed"
        text = "; ".join(group.reasons[number] for number in sorted(group.reasons))
        return Error(kind, f"AllFailed: {need}: {text}")

    def _next_try(self, old: Place) -> None:
        term = old.term
        new = self._place("tries", old.up, old.value, term, old.then)
        new.tries, new.born = old.tries + 1, old.born
        if not term.pause:
            self._passing(new, term.body)
            return
        pause = self._place("pause", new, old.value, then=lambda _: self._passing(new, term.body))
        pause.born, pause.due = new.born, self.now + term.pause * SECOND

    # Giving up.

    def give_up(
        self,
        outer: Place,
        then: Callable[[], None],
        failed: set[Place] | None = None,
        but: dict[int, Any] | None = None,
    ) -> None:
        """Stop all that executes inside of a place, run its hooks, undo what has completed there (but in some
        branches), and then go on."""
        end = self._place("end", outer.up, then=lambda _: then())
        end.born = outer.born
        inherited, hooks, undos = list[Order](), list[Order](), list[Order]()
        for place in sorted(self._stopped(outer), key=lambda one: -one.born):
            self.live.remove(place)
            if place.kind == "job":
                self.called_off.append(place)
            if place.kind in ("job", "rest", "within", "items"):
                self._stop_row(place.term.path)
            if place.kind == "hooked" and place not in (failed or set()):
                hooks.append(Order(place.term.hook, place.value, self.items(place.up)))
            if place.kind == "end":
                inherited += place.hooks
                undos += place.undos
                for run in [one for one in self.live if one.kind == "undoing" and one.up is place]:
                    run.up = end
                    end.runs += 1
        for one in list(self.done):
            assert one.at is not None
            if self._is_inside(one.at, outer) and not self._in_branches(one.at, outer, but or {}):
                self.done.remove(one)
                undos.append(one)
        end.hooks = inherited + hooks
        end.undos = sorted(undos, key=lambda one: one.done)
        if not end.runs:
            self._next(end)

    def _stopped(self, outer: Place) -> list[Place]:
        return [one for one in self.live if self._is_inside(one, outer)]

    @staticmethod
    def _is_inside(place: Place, outer: Place) -> bool:
        """Whether a place is inside of another, or is that, and not inside of what undoes there."""
        for one in place.around():
            if one is outer:
                return True
            if one.kind == "undoing":
                return False
        return False

    @staticmethod
    def _in_branches(place: Place, group: Place, numbers: dict[int, Any]) -> bool:
        return any(one.up is group and one.number in numbers for one in place.around())

    def _next(self, end: Place) -> None:
        if end.hooks:
            order = end.hooks.pop(0)
        elif end.undos:
            order = end.undos.pop()
        else:
            self._gone(end)
            end.then(None)
            return
        end.runs = 1
        undoing = self._place("undoing", end, items=order.items)

        def ended(_: Any) -> None:
            self._gone(undoing)
            self.done = [one for one in self.done if one.at is not None and undoing not in one.at.around()]
            assert undoing.up is not None
            self._ran(undoing.up)

        self.run(order.term, undoing, order.value, ended)

    def _ran(self, end: Place) -> None:
        end.runs -= 1
        if not end.runs:
            self._next(end)

    def _end(self, status: str, *, error: str = "", result: Any = None) -> None:
        self.live.clear()
        self.status, self.error, self.result = status, error, result

    # Places, names, rows.

    def _birth(self) -> int:
        self.births += 1
        return self.births

    def _place(
        self,
        kind: str,
        up: Place | None,
        value: Any = None,
        term: Any = None,
        then: Then = _nothing,
        *,
        items: str = "",
        number: int = 0,
    ) -> Place:
        place = Place(kind, up, self._birth(), value, term, items, then=then, number=number)
        self.live.append(place)
        return place

    def _gone(self, place: Place) -> None:
        self.live.remove(place)

    def _root(self) -> Place:
        return next(place for place in self.live if place.kind == "root")

    def _leave_job(self, name: str) -> Place:
        self._heard()
        job = self.jobs()[name]
        self._gone(job)
        return job

    def _heard(self) -> None:
        self.begun, self.called_off = [], []

    def name(self, place: Place) -> str:
        return f"{place.term.path}{self.items(place)}"

    def items(self, place: Place | None) -> str:
        found = ""
        for one in place.around() if place else ():
            found = one.items + found
            if one.kind == "undoing":
                break
        return found

    def _begin(self, path: str) -> None:
        times = self.rows[path][1] if path in self.rows else 0
        self.rows[path] = ("EXECUTING", times + 1, self.now, 0)

    def _finish(self, path: str, status: str) -> None:
        _, times, began, _ = self.rows[path]
        self.rows[path] = (status, times, began, self.now)

    def _stop_row(self, path: str) -> None:
        if self.rows[path][0] == "EXECUTING":
            self._finish(path, "STOPPED")
