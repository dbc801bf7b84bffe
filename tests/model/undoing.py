"""What is run where something is given up: the part of the reference that carries undos and hooks.

A piece that has an undo or a hook says so when it ends: one that completes leaves an `Order` with the world; one that
fails or is stopped is noted in `given_up`. What answers a failure, or stops others, then calls `give_up`: it runs what
was noted inside of it, first the hooks, innermost first, then the undos, the last first, and only then goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from dagger.dsl import nodes
from tests.model.pieces import PIECES, Piece, Problem

if TYPE_CHECKING:
    from tests.model.reference import Reference


@dataclass(frozen=True, eq=False)
class Order:
    """Something that is run: the steps, their value, and the piece that it belongs to."""

    node: nodes.Node
    value: Any
    at: Piece
    number: int = 0
    """When the step ended; 0 of a hook."""
    ordered: int = 0
    """When it was ordered to run."""


class HookedPiece(Piece):
    """A step that has a hook."""

    @override
    def begin(self) -> None:
        self.start(self.node.body, self.value)

    @override
    def stop(self) -> None:
        super().stop()
        self.world.given_up.append(self)


class CompensatedPiece(Piece):
    """A step that is undone by another."""

    @override
    def begin(self) -> None:
        self.start(self.node.body, self.value)

    @override
    def ended(self, piece: Piece, value: Any) -> None:
        self.world.undos.append(Order(self.node.undo, value, self, self.world.count()))
        self.done(value)

    @override
    def fail(self, problem: Problem) -> None:
        self.world.given_up.append(self)
        super().fail(problem)

    @override
    def stop(self) -> None:
        super().stop()
        self.world.given_up.append(self)


class EndingPiece(Piece):
    """Runs what was ordered, one after the other, and then goes on; if it is stopped, a larger one takes over."""

    def __init__(self, world: Reference, given_up: Piece | None, outer: Piece | None, then: Callable[[], None]) -> None:
        super().__init__(world, NOTHING, "", None, outer)
        self.number = self.number if given_up is None else given_up.number
        self.then = then
        self.hooks: list[Order] = []
        self.undos: list[Order] = []

    def next(self) -> None:
        if self.hooks:
            order = self.hooks.pop(0)
        elif self.undos:
            order = self.undos.pop()
        else:
            self.leave()
            self.then()
            return
        piece = UndoingPiece(self.world, order, self)
        self.inside.append(piece)
        piece.begin()

    def ran(self) -> None:
        """One of those that it runs is done."""
        if not self.inside:
            self.next()

    @override
    def stop(self) -> None:
        self.world.given_up.append(self)
        for piece in list(self.inside):
            if isinstance(piece, EndingPiece):
                piece.stop()
        super().leave()


class UndoingPiece(Piece):
    """One that is run. Nothing that is around it ends it."""

    def __init__(self, world: Reference, order: Order, outer: EndingPiece) -> None:
        super().__init__(world, NOTHING, order.at.prefix, order.value, outer)
        self.order = order

    @property
    @override
    def in_items(self) -> tuple[int, ...]:
        return self.order.at.in_items

    @property
    @override
    def in_rounds(self) -> tuple[int, ...]:
        return self.order.at.in_rounds

    @property
    @override
    def is_scope(self) -> bool:
        return True

    @override
    def begin(self) -> None:
        self.start(self.order.node, self.value, self.prefix)

    @override
    def done(self, value: Any) -> None:
        self.world.undos = [one for one in self.world.undos if not is_inside(one.at, self)]
        self.over()

    @override
    def broke(self, piece: Piece, problem: Problem) -> None:
        ending = self.outer
        self.leave()
        give_up(self.world, self, ending, self.over)

    def over(self) -> None:
        ending = self.outer
        self.leave()
        assert isinstance(ending, EndingPiece)
        ending.ran()


NOTHING = nodes.Chain(steps=())


def give_up(
    world: Reference,
    piece: Piece | None,
    outer: Piece | None,
    then: Callable[[], None],
    spared: Collection[Piece] = (),
    *,
    undoes: bool = True,
) -> None:
    """All that executed inside of a piece (None: of the instance) was stopped or has failed. Run what has to be run for
    it, but for what has ended well in some branches, and then go on. What runs it stands inside of `outer`.

    Without `undoes` only hooks are run: what would be undone may be undone later.
    """
    world.failed.clear()
    end = EndingPiece(world, piece, outer, then)
    inherited, hooks = list[Order](), list[Order]()
    found, world.given_up = sorted(world.given_up, key=lambda one: -one.number), []
    for one in found:
        if isinstance(one, EndingPiece):
            inherited += one.hooks
            end.undos += one.undos
            adopted = [inner for inner in one.inside if isinstance(inner, UndoingPiece)]
            for inner in adopted:
                inner.outer = end
            end.inside += adopted
        elif isinstance(one, HookedPiece):
            hooks.append(Order(one.node.hook, one.value, one))
        elif one.node.attempted is not None:
            attempted = Order(one.node.attempted, one.value, one, world.count())
            (end.undos if undoes else world.undos).append(attempted)
    for order in list(world.undos) if undoes else []:
        if is_inside(order.at, piece) and not any(is_inside(order.at, branch) for branch in spared):
            world.undos.remove(order)
            end.undos.append(order)
    now = world.count()
    end.hooks = [one if one.ordered else replace(one, ordered=now) for one in inherited + hooks]
    end.undos = [one if one.ordered else replace(one, ordered=now) for one in end.undos]
    end.undos.sort(key=lambda one: one.number)
    if outer is None:
        world.body = end
    else:
        outer.inside.append(end)
    end.ran()


def is_inside(piece: Piece, outer: Piece | None) -> bool:
    """Whether a piece is inside of another, or is that, and not inside of what undoes there."""
    for one in (piece, *piece.around()):
        if one is outer:
            return True
        if isinstance(one, UndoingPiece):
            return False
    return outer is None


PIECES[nodes.Hooked] = HookedPiece
PIECES[nodes.Compensated] = CompensatedPiece
