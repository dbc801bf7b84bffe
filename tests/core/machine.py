"""The machine on trees of the kernel, where no construct of the language shows yet what it can do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from dagger import Template, sleep, template
from dagger.codecs import codec_of
from dagger.core import State, Status, begin, step
from dagger.core.effects import Effect, RunTask, StopTask
from dagger.core.events import InstanceEvent, StopRequested, Submitted, TaskFailed, TaskSucceeded, TimerDue
from dagger.core.oversized import step_oversized
from dagger.core.rules.running import running
from dagger.core.state import STATUSES, Running
from dagger.core.step_rows import step_rows
from dagger.dsl.nodes import Workflow
from dagger.errors import kinds_of
from dagger.plan import Plan, ops
from dagger.plan.compile import assembled
from dagger.plan.expand import Expander
from dagger.plan.kernel import Chain, Each, Fork, Kernel, Leaf, Scope, Trigger
from dagger.plan.plan import Limits
from dagger.plan.shapes import FailureShape, Typed
from tests.core.invariants import check

INT = codec_of(int)
SECOND = 1_000_000
FAILED = ops.RetryRule(attempts=1, first=0, factor=1, longest=0, jitter=0, on=("builtins.Exception",))


def job(path: str) -> Leaf:
    """A task that takes a number and gives one."""
    fields = {"fn": None, "is_async": True, "out": INT, "after": -1, "limit": None}
    return Leaf(ops.Task, path, "task", fields, lambda _: Typed(INT))


def rest(path: str, seconds: int) -> Leaf:
    """A sleep."""
    return Leaf(ops.Pause, path, "sleep", {"delay": seconds * SECOND, "at": None})


def chain(*parts: Kernel) -> Chain:
    return Chain(parts)


def undone_by(part: Kernel, undo: Kernel | str) -> Scope:
    """What is undone by something, once it has completed."""
    start = job(undo) if isinstance(undo, str) else undo
    return Scope("", part, (Trigger(ops.Ended(), ops.LATER, start),))


def hooked(part: Kernel, hook: Kernel | str) -> Scope:
    """What has a hook that is run when it is stopped."""
    start = job(hook) if isinstance(hook, str) else hook
    return Scope("", part, (Trigger(ops.Stopped(), ops.BESIDE, start),))


def within(part: Kernel, seconds: int, otherwise: Kernel | None = None) -> Scope:
    return Scope("bound", part, (Trigger(ops.After(seconds * SECOND), ops.INTERRUPT, otherwise),))


def recovered(part: Kernel, handler: Kernel) -> Scope:
    return Scope("recover", part, (Trigger(ops.InnerFailure(), ops.INTERRUPT, handler, takes=FailureShape),))


def retried(part: Kernel, attempts: int, pause: int = 0) -> Scope:
    rule = msgspec.structs.replace(FAILED, attempts=attempts, first=pause * SECOND, longest=pause * SECOND)
    return Scope("retry", part, (Trigger(ops.InnerFailure(rule.on), ops.AGAIN, tries=rule),))


def repeated(part: Kernel, until: Callable[[Any], bool]) -> Scope:
    """A loop, whose body gets numbers, and begins anew until one is what is wanted."""
    return Scope("loop", part, (Trigger(ops.Ended(until), ops.AGAIN),), head=INT)


def all_of(*branches: Kernel) -> Fork:
    return Fork("all", "all", branches, len(branches), 0)


def any_of(*branches: Kernel) -> Fork:
    return Fork("any", "any", branches, 1, len(branches) - 1)


def for_each(path: str, count: int, body: Kernel) -> Each:
    return Each(path, "for_each", lambda _: list(range(count)), INT, None, body)


def _no_child(node: Workflow) -> Plan:
    raise AssertionError(f"'{node.name}' is a template")


def plan_of(body: Kernel) -> Plan:
    shell: Template[int, int] = template("T", sleep(timedelta(1)), key=str, takes=int)
    return assembled(shell, body, Expander("T", 1, _no_child), Limits())


def name_of(order: RunTask) -> str:
    """What a task is called here: its path, and the item that it is in, in whatever round."""
    return order.key.removeprefix("a/").partition("#")[0]


class Machine:
    """One instance: what it begins, ends and calls off is noted by path, in order."""

    def __init__(self, body: Kernel) -> None:
        self.plan = plan_of(body)
        self.now = SECOND
        self.begun: list[str] = []
        """The tasks that were ordered, each with the item that it is in."""
        self.called_off: list[str] = []
        self.state: State = self._after(begin(self.plan, Submitted("T", 1, "a", "a", INT.encode(1)), self.now))

    def _after(self, result: tuple[State, tuple[Effect, ...]]) -> State:
        state, effects = result
        self.begun += [name_of(order) for order in effects if isinstance(order, RunTask)]
        self.called_off += [self.name_of(order.frame) for order in effects if isinstance(order, StopTask)]
        check(self.plan, state)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)

    def apply(self, event: InstanceEvent) -> None:
        """An event comes; the step is made twice, and gives the same."""
        again = step(self.plan, self.state, event, self.now)
        assert again == step(self.plan, self.state, event, self.now)
        self.state = self._after(again)

    def name_of(self, frame: int) -> str:
        orders = {order.frame: name_of(order) for order in running(self.plan, self.state)}
        return orders[frame]

    @property
    def running(self) -> list[str]:
        """The tasks that run."""
        return sorted(name_of(order) for order in running(self.plan, self.state))

    def frame_of(self, name: str) -> int:
        return next(
            number for number, one in self.state.frames.items() if type(one) is Running and self.name_of(number) == name
        )

    def ends(self, *names: str) -> None:
        """Tasks end well, one after the other."""
        for name in names:
            self.apply(TaskSucceeded(self.frame_of(name), INT.encode(7)))

    def gives(self, name: str, result: int) -> None:
        """A task ends well, with this result."""
        self.apply(TaskSucceeded(self.frame_of(name), INT.encode(result)))

    def fails(self, name: str) -> None:
        self.apply(TaskFailed(self.frame_of(name), "ValueError", "no", kinds_of(ValueError)))

    def grows(self, name: str) -> None:
        """A task gives more than can be stored."""
        event = TaskSucceeded(self.frame_of(name), INT.encode(7))
        self.state = self._after(step_oversized(self.plan, self.state, event, self.now, "too much"))

    def waits(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.apply(TimerDue())

    def stops(self) -> None:
        self.apply(StopRequested())

    @property
    def status(self) -> Status:
        return STATUSES[self.state.status]

    def stands(self, path: str) -> Status:
        return STATUSES[step_rows(self.plan, self.state)[self.plan.paths.index(path)][0]]

    def undoes(self, *names: str) -> None:
        """These are run now, one after the other, and nothing beside them."""
        for name in names:
            assert self.running == [name]
            self.ends(name)
