"""The steps that do something: commands, listeners, signals, tasks, sleeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, Never, Protocol, TypeAlias, cast, overload

from typing_extensions import TypeVar

from dagger import codecs
from dagger.dsl.build import checked_duration, checked_name, optional_duration
from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import Await, Command, Listen, Sleep, Task, Until
from dagger.dsl.step import Nil, Pass, Step, step_of
from dagger.dsl.topics import Accepts, Carries, Topic
from dagger.dsl.values import Again, Limit, Message, NotAgain, Retry
from dagger.errors import TemplateError, UnsupportedType

A = TypeVar("A")
B = TypeVar("B", default=Any)
# Solved as a whole: mypy would join the members of a union beside Again.
Result = TypeVar("Result", bound=NotAgain | None)
# The result of a task that always raises: pyright does not know what a Never would be awaited for.
Nothing = TypeVar("Nothing", bound=Never)
I = TypeVar("I", contravariant=True)  # as in Step
O = TypeVar("O", covariant=True)
M = TypeVar("M")
T = TypeVar("T", contravariant=True)

Built: TypeAlias = M | Message[M] | Sequence[M | Message[M]]
"""What the function of a command may return."""

__all__ = ["Signal", "SignalOf", "command", "listener", "signal", "sleep", "task", "wait_until"]


class CommandOn(Step[M, M]):
    """A raw command: publishes its input. As a decorator it takes the function that builds the message."""

    __slots__ = ()

    # A function that takes anything makes a step that passes anything on, like a sleep; likewise for `wait_until`.
    @overload
    def __call__(self, build: Callable[[object], Built[M]], /) -> Pass[Never]: ...
    @overload
    def __call__(self, build: Callable[[A], Built[M]], /) -> Step[A, A]: ...
    def __call__(self, build: Any, /) -> Any:
        """Publish what `build` returns for the input: a message, a `Message` with its envelope, or a list of them."""
        return step_of(replace(cast("Command", self.node), build=fn_of(build, "command")))


class ListenerOn(Step[object, M]):
    """A raw listener: from anything to the message. As a decorator it takes the function that folds it in."""

    __slots__ = ()

    @overload
    def __call__(self, fold: Callable[[A, M], Result], /) -> Step[A, Result]: ...
    @overload
    def __call__(self, fold: Callable[[A, M], Result | Again[A]], /) -> Step[A | Nil, Result]: ...
    def __call__(self, fold: Any, /) -> Any:
        """Fold the message into the input; `Again(a)` keeps waiting with `a`."""
        return step_of(_folding(self.node, fold))


class ListenerFor(Step[I, M]):
    """A raw listener whose awaited key is computed from its input."""

    __slots__ = ()

    @overload
    def __call__(self: ListenerFor[A, M], fold: Callable[[A, M], Result], /) -> Step[A, Result]: ...
    @overload
    def __call__(self: ListenerFor[A, M], fold: Callable[[A, M], Result | Again[A]], /) -> Step[A | Nil, Result]: ...
    @overload
    def __call__(self: ListenerFor[object, M], fold: Callable[[A, M], Result], /) -> Step[A, Result]: ...
    @overload
    def __call__(
        self: ListenerFor[object, M], fold: Callable[[A, M], Result | Again[A]], /
    ) -> Step[A | Nil, Result]: ...
    def __call__(self, fold: Any, /) -> Any:
        """Fold the message into the input; `Again(a)` keeps waiting with `a`."""
        return step_of(_folding(self.node, fold))


class SignalOf(Protocol[T]):
    """A signal as its sender sees it: anything that takes a `T`, with or without a function."""

    def _signals(self, value: T, /) -> None: ...


class Signal(Step[I, O], Generic[I, O, T]):
    """A wait for a signal that carries a `T`: what `@signal(name, T)` creates from a function.

    It is sent with `engine.signal(run, this, value)`.
    """

    __slots__ = ()

    def _signals(self, value: T, /) -> None:
        """For checkers, and never called: see `SignalOf`."""
        raise NotImplementedError


class SignalOn(Step[object, M]):
    """A raw signal: from anything to its value. As a decorator it takes the function that folds it in."""

    __slots__ = ()

    def _signals(self, value: M, /) -> None:
        """For checkers, and never called: see `SignalOf`."""
        raise NotImplementedError

    @overload
    def __call__(self, fold: Callable[[A, M], Result], /) -> Signal[A, Result, M]: ...
    @overload
    def __call__(self, fold: Callable[[A, M], Result | Again[A]], /) -> Signal[A | Nil, Result, M]: ...
    def __call__(self, fold: Any, /) -> Any:
        """Fold the value into the input; `Again(a)` keeps waiting with `a`."""
        made: Signal[Any, Any, Any] = Signal(_folding(self.node, fold))
        return made


def _folding(node: Any, fold: Callable[..., Any]) -> Any:
    fn = fn_of(fold, "listener", arguments=2, depth=3)
    return replace(node, fold=fn)


def command(topic: Accepts[M]) -> CommandOn[M]:
    """Publish to a topic and pass the input on; without a function the input, as a decorator what the function builds.

    The function must be pure: it is never retried, and one that raises fails its step.
    """
    return CommandOn(Command(topic=_topic(topic, "command")))


@overload
def listener(topic: Carries[M], *, on: None = ..., by: Callable[[M], object] | None = ...) -> ListenerOn[M]: ...
@overload
def listener(
    topic: Carries[M], *, on: Callable[[A], object], by: Callable[[M], object] | None = ...
) -> ListenerFor[A, M]: ...
def listener(topic: Any, *, on: Any = None, by: Any = None) -> Any:
    """Wait for the message of a topic whose key matches.

    `on` computes the awaited key from the input (default: the business key of the instance); `by` computes the
    key, or keys, of a message (default: the topic's key). As a decorator it takes a pure function
    `(input, message) -> result`, which may return `Again(input)`.
    """
    node = Listen(
        topic=_topic(topic, "listener"),
        on=None if on is None else fn_of(on, "on= of a listener"),
        by=None if by is None else fn_of(by, "by= of a listener"),
    )
    step: ListenerOn[Any] | ListenerFor[Any, Any] = ListenerOn(node) if on is None else ListenerFor(node)
    return step


def signal(name: str, type: type[M]) -> SignalOn[M]:
    """Wait for a signal addressed to this instance; used like a listener.

    The result, with or without a function, is also what `engine.signal(run, signal, value)` takes.
    """
    checked_name(name, "signal")
    try:
        codecs.codec_of(type)
    except UnsupportedType as error:
        raise UnsupportedType(f"signal '{name}': {error}") from None
    return SignalOn(Await(signal=name, type=type))


class _TaskWith:
    def __init__(self, retry: Retry | None, timeout: timedelta | None, limit: Limit | None) -> None:
        self._retry = retry
        self._timeout = _task_timeout(timeout)
        self._limit = limit

    @overload
    def __call__(self, fn: Callable[[A], Nothing], /) -> Step[A, Nothing]: ...
    @overload
    def __call__(self, fn: Callable[[A], Awaitable[B]], /) -> Step[A, B]: ...
    @overload
    def __call__(self, fn: Callable[[A], B], /) -> Step[A, B]: ...
    def __call__(self, fn: Any, /) -> Any:
        return step_of(Task(fn=fn_of(fn, "task"), retry=self._retry, timeout=self._timeout, limit=self._limit))


def _task_timeout(timeout: timedelta | None) -> timedelta | None:
    found = optional_duration(timeout, "task timeout")
    if found is not None and not found:
        raise TemplateError("task timeout: is zero, and no task ends in no time; give more, or leave it out for none")
    return found


@overload
def task(fn: Callable[[A], Nothing], /) -> Step[A, Nothing]: ...
@overload
def task(fn: Callable[[A], Awaitable[B]], /) -> Step[A, B]: ...
@overload
def task(fn: Callable[[A], B], /) -> Step[A, B]: ...
@overload
def task(*, retry: Retry | None = ..., timeout: timedelta | None = ..., limit: Limit | None = ...) -> _TaskWith: ...
def task(
    fn: Any = None, /, *, retry: Retry | None = None, timeout: timedelta | None = None, limit: Limit | None = None
) -> Any:
    """Run a function, sync (in a worker thread) or async, at least once; its result is recorded once.

    `retry` says how often it is tried (default: once). `timeout` bounds each attempt, from the call of the function:
    the time that it waits in the queue does not count. `limit` bounds how many tasks of one kind run in a worker, and
    how many begin in a second. Inside the function, `dagger.context()` gives the instance's id, the step's path, the
    attempt and an idempotency key.
    """
    if retry is not None and not isinstance(retry, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
        raise TemplateError(f"task: retry expects a Retry(...), got {retry!r}")
    if limit is not None and not isinstance(limit, Limit):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        raise TemplateError(f"task: limit expects a Limit(...), got {limit!r}")
    if fn is None:
        return _TaskWith(retry, timeout, limit)
    return step_of(Task(fn=fn_of(fn, "task")))


def sleep(pause: timedelta) -> Pass[Never]:
    """Continue after a duration. The input passes through."""
    return Pass(Sleep(pause=checked_duration(pause, "sleep")))


@overload
def wait_until(at: Callable[[object], datetime], /) -> Pass[Never]: ...
@overload
def wait_until(at: Callable[[A], datetime], /) -> Step[A, A]: ...
def wait_until(at: Any, /) -> Any:
    """Continue at the time-zone aware time that a pure function computes from the input, which passes through."""
    return step_of(Until(at=fn_of(at, "wait_until")))


def _topic(topic: object, place: str) -> Any:
    if not isinstance(topic, Topic):
        raise TemplateError(f"{place}: expects a Topic(name, type, key=...), got {topic!r}")
    return topic  # pyright: ignore[reportUnknownVariableType]  # its message type is unknown here
