"""From the kernel to one flat table of operations, linked by index.

What is laid out is a durable format: a running instance refers to operations and rows by their numbers. `signature.py`
says what of it a stored state relies on, and `COMPILER` there goes up with every change here that moves anything.
"""

from __future__ import annotations

from typing import Any, TypeVar, assert_never

from dagger.codecs import TypeCodec
from dagger.plan import ops
from dagger.plan.kernel import Ahead, Chain, Choose, Each, Fork, Kernel, Leaf, Named, Scope, Trigger
from dagger.plan.shapes import FailureShape, Many, Shape, Tagged, Together, Typed

P = TypeVar("P", bound=ops.Op)


def keeping(part: Kernel) -> Kernel:
    """What may be given up by itself: a scope of its own keeps what has to be undone then."""
    return Scope("", part) if part.undoes else part


class Assembler:
    """Lays out operations one after the other; the owner and the row around are kept as it goes."""

    def __init__(self) -> None:
        self.ops: list[ops.Op] = []
        self.paths: list[str] = []
        self.kinds: list[str] = []
        self.owners: list[int] = []
        self._owner: int = -1
        self._around: int = -1
        self._repeats = 0
        """How many scopes around are entered more than once."""
        self._inside_of: int = -1
        """The innermost Aside around."""

    def lay(self, part: Kernel, shape: Shape) -> Shape:
        """Lay out a part; gives the shape of its result by that of its input."""
        match part:
            case Leaf():
                return self._leaf(part, shape)
            case Chain():
                for one in part.parts:
                    shape = self.lay(one, shape)
                return shape
            case Named():
                return self._named(part, shape)
            case Scope():
                return self._scope(part, shape)
            case Ahead():
                return self._ahead(part, shape)
            case Fork():
                return self._fork(part, shape)
            case Choose():
                return self._choose(part, shape)
            case Each():
                return self._each(part, shape)
            case _:
                assert_never(part)

    def add(self, op: type[P], path: str, shape: Shape, /, **fields: Any) -> P:
        """Lay out one operation; its value goes to the one laid out next unless that is changed."""
        index = len(self.ops)
        laid = op(index=index, path=path, shape=shape, **{"next": index + 1, "owner": self._owner, **fields})
        self.ops.append(laid)
        return laid

    @property
    def here(self) -> int:
        """The index that the next operation gets."""
        return len(self.ops)

    def _row(self, path: str, kind: str) -> int:
        """A new row of the outcome table."""
        self.paths.append(path)
        self.kinds.append(kind)
        self.owners.append(self._around)
        return len(self.paths) - 1

    def _within(self, opener: ops.Op, slot: int, part: Kernel, shape: Shape) -> Shape:
        """Lay out what is inside: its failures go to `opener`, its rows are within `slot`, if that is one."""
        owner, around = self._owner, self._around
        self._owner = opener.index
        self._around = slot if slot >= 0 else around
        result = self.lay(part, shape)
        self._owner, self._around = owner, around
        return result

    def _closing(self, opener: ops.Op, op: type[P], shape: Shape, /, **fields: Any) -> P:
        """Lay out a closing operation, which belongs to what `opener` opened."""
        return self.add(op, opener.path, shape, owner=opener.index, **fields)

    # Forms.

    def _leaf(self, leaf: Leaf, shape: Shape) -> Shape:
        fields = dict(leaf.fields)
        if leaf.op is ops.Listen:
            fields |= {"repeats": self._repeats > 0, "aside": self._inside_of}
        slot = self._row(leaf.path, leaf.kind) if leaf.kind else -1
        self.add(leaf.op, leaf.path, shape, slot=slot, **fields)
        return leaf.gives(shape)

    def _named(self, named: Named, shape: Shape) -> Shape:
        enter = self.add(ops.Enter, named.path, shape, slot=self._row(named.path, named.kind))
        result = self._within(enter, enter.slot, named.body, shape)
        self._closing(enter, ops.Leave, result, slot=enter.slot)
        return result

    def _scope(self, scope: Scope, shape: Shape) -> Shape:
        shape = self._retyped(scope.path, self._owner, scope.latest, shape)
        opener = self.add(ops.Scope, scope.path, shape, keeps=scope.body.undoes, follows=scope.latest is not None)
        is_repeated = any(trigger.effect == ops.AGAIN for trigger in scope.triggers)
        self._repeats += is_repeated
        opener.loops = is_repeated and not any(trigger.tries for trigger in scope.triggers)
        opener.counted = self._around if opener.loops and scope.is_counted else -1
        inside = self._retyped(scope.path, opener.index, scope.head, shape)
        anew = self.here
        result = self._within(opener, -1, scope.body, inside)
        if not any(type(trigger.when) is ops.SaysAgain for trigger in scope.triggers):
            result = self._retyped(scope.path, opener.index, scope.head, result)
        self._repeats -= is_repeated
        ends = any(type(trigger.when) in (ops.Ended, ops.SaysAgain) for trigger in scope.triggers)
        close = self._closing(opener, ops.Close, result, plain=not (ends or opener.keeps))
        starts = dict[Trigger, int]()
        for one in scope.triggers:
            if one.effect == ops.AGAIN:
                starts[one] = anew
            elif one.effect in (ops.BESIDE, ops.LATER):
                starts[one] = self._aside(opener, one, result if type(one.when) is ops.Ended else shape)
        close.next = self.here
        answers = [one for one in scope.triggers if one.effect == ops.INTERRUPT and one.start is not None]
        found, result = self._answers(opener, answers, result, shape)
        starts |= found
        opener.triggers = tuple(
            ops.Trigger(one.when, one.effect, starts.get(one, -1), one.tries, one.at_most) for one in scope.triggers
        )
        return result

    def _retyped(self, path: str, owner: int, codec: TypeCodec[Any] | None, shape: Shape) -> Shape:
        """Where values come by several ways: they are stored alike, by a declared type, if one is given."""
        if codec is None or (isinstance(shape, Typed) and shape.codec is codec):
            return shape
        self.add(ops.Retype, path, shape, owner=owner, out=codec)
        return Typed(codec)

    def _aside(self, opener: ops.Scope, trigger: Trigger, shape: Shape) -> int:
        """Lay out what is run where something is given up; gives where."""
        assert trigger.start is not None
        aside, around = self._closing(opener, ops.Aside, shape), self._inside_of
        self._inside_of = aside.index
        result = self._within(aside, -1, keeping(trigger.start), shape)
        self._inside_of = around
        self._closing(aside, ops.Done, result)
        return aside.index

    def _answers(
        self, opener: ops.Scope, answers: list[Trigger], result: Shape, shape: Shape
    ) -> tuple[dict[Trigger, int], Shape]:
        """Lay out what goes on instead of a body; all ends are tagged, and meet after them."""
        if not answers:
            return {}, result
        shapes, merges = [result], [self.add(ops.Merge, opener.path, result, tag=0)]
        starts = dict[Trigger, int]()
        for tag, answer in enumerate(answers, 1):
            assert answer.start is not None
            starts[answer] = self.here
            shapes.append(self.lay(answer.start, answer.takes(shape)))
            merges.append(self.add(ops.Merge, opener.path, shapes[-1], tag=tag))
        for merge in merges:
            merge.next = self.here
        return starts, Tagged(shapes)

    def _ahead(self, ahead: Ahead, shape: Shape) -> Shape:
        """The listener gets the input first, and then the result: they are tagged."""
        keeps = ahead.body.undoes
        opener = self.add(ops.Scope, ahead.path, shape, keeps=keeps)
        body = self.add(ops.Scope, ahead.path, shape, owner=opener.index, keeps=keeps)
        result = self._within(body, -1, ahead.body, shape)
        self._closing(body, ops.Close, result, plain=not keeps)
        self._closing(opener, ops.Merge, result, tag=1)
        both = Tagged([shape, result])
        self._closing(opener, ops.HandOver, both)
        opener.triggers = (ops.Trigger(ops.MessageArrives(), ops.INTERRUPT, self.here),)
        self._closing(opener, ops.Merge, shape, tag=0)
        result = self._within(opener, -1, ahead.to, both)
        self._closing(opener, ops.Close, result, plain=not keeps)
        return result

    def _fork(self, fork: Fork, shape: Shape) -> Shape:
        slot = self._row(fork.path, fork.row) if fork.row else -1
        opener = self.add(ops.Fork, fork.path, shape, slot=slot, needed=fork.needed, spare=fork.spare, kind=fork.kind)
        results, starts = list[Shape](), list[int]()
        for number, part in enumerate(fork.branches):
            starts.append(self.here)
            branch = self._closing(opener, ops.Branch, shape, number=number)
            results.append(self._within(branch, slot, keeping(part), shape))
            self._closing(opener, ops.Join, results[-1], number=number)
        opener.branches, opener.exit = tuple(starts), self.here
        if fork.kind == "all":
            return Together(results)
        return Tagged(results) if fork.kind == "any" else Many(Tagged(results))

    def _choose(self, choose: Choose, shape: Shape) -> Shape:
        slot = self._row(choose.path, choose.kind) if choose.kind else -1
        opener = self.add(ops.Choose, choose.path, shape, slot=slot, fn=choose.fn, cases={})
        results, merges = list[Shape](), list[ops.Merge]()
        for tag, branch in enumerate(choose.branches):
            if tag < len(choose.keys):
                opener.cases[choose.keys[tag]] = self.here
            else:
                opener.default = self.here
            results.append(self._within(opener, slot, branch, shape))
            merges.append(self._closing(opener, ops.Merge, results[-1], slot=slot, tag=tag))
        for merge in merges:
            merge.next = self.here
        return Tagged(results)

    def _each(self, each: Each, shape: Shape) -> Shape:
        slot = self._row(each.path, each.kind)
        fields = {"items": each.items, "item": each.item, "limit": each.limit}
        opener = self.add(ops.Spread, each.path, shape, slot=slot, **fields)
        opener.body = self.here
        self._repeats += 1
        body = keeping(each.body) if each.collect or each.enough else each.body
        result = self._within(opener, slot, body, Typed(each.item))
        self._repeats -= 1
        if each.collect:
            result = self._collected(opener, result)
        self._closing(opener, ops.Gather, result)
        if each.enough:
            opener.enough, opener.lost = each.enough, self.here
            self._closing(opener, ops.Lose, result)
        opener.exit = self.here
        return Many(result)

    def _collected(self, opener: ops.Spread, result: Shape) -> Shape:
        """Lay out the two ends of a body whose failure is a result; gives what both are gathered as."""
        shapes = (result, FailureShape(Typed(opener.item)))
        well = self._closing(opener, ops.Merge, result, tag=0)
        opener.lost = self.here
        self._closing(opener, ops.Merge, shapes[1], tag=1)
        well.next = self.here
        return Tagged(shapes)
