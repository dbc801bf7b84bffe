"""One call of a task's function, in an asyncio task of its own.

User code never shares an asyncio task with the engine: what it does to its own, raises or returns ends this call and
nothing else. Whatever it raises, in the event loop or in a thread, is carried as a value. That holds for SystemExit and
KeyboardInterrupt too, which would end the event loop: a real Ctrl-C is received as a signal by `main()` and by
`asyncio.run`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import msgspec

from dagger.core.effects import RunTask
from dagger.core.events import TaskFailed, TaskSucceeded
from dagger.core.functions import took_longer
from dagger.engine.worker.context import TaskContext, enter_context
from dagger.errors import CodecError, DaggerError, in_line, kinds_of, message_of, name_of, traceback_of
from dagger.plan.ops import Task
from dagger.plan.shapes import Unreadable

logger: Final = logging.getLogger("dagger")

Outcome: TypeAlias = TaskSucceeded | TaskFailed

SLACK: Final = 10_000
"""How much larger a record of the log may be than a stored record, in bytes. What is a little too large is appended,
and fails its instance when it is to be stored."""
FROM_INSIDE: Final = "it was cancelled from inside"


class Raised(msgspec.Struct, frozen=True, gc=False):
    """What a function in a thread has raised."""

    error: BaseException


class NamelessError(Exception):
    """Stands for an exception whose class does not give its name."""


ThreadCaller: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Calls a function that raises nothing in a thread."""


class TaskCall:
    """A call that waits for its turn, runs, or has ended."""

    def __init__(self, id: str, template: str, op: Task, order: RunTask) -> None:
        self.id = id
        self.template = template
        self.frame = order.frame
        self.op = op
        self.order = order
        self.pool = op.limit.name if op.limit is not None else "", not op.is_async
        self.variables = copy_context()
        self.needs_thread = not op.is_async
        """Whether a thread is kept for it, until its function has returned."""
        self.hangs = False
        """Whether it has reported that it will not end."""
        self.stopped = False
        """Whether its result no longer matters."""
        self.timed_out = False
        self.in_thread = False
        """Whether a thread runs its function now."""
        self.abandoned: Callable[[], None] | None = None
        """Called in the event loop when an abandoned thread ends."""
        self.task: asyncio.Task[Outcome] | None = None
        self._scope: anyio.CancelScope | None = None
        self._over: asyncio.Future[None] | None = None

    @property
    def path(self) -> str:
        """The instance and the path of the step."""
        return f"{self.id}: {self.op.path}"

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end."""
        return self.stopped or self.timed_out

    @property
    def is_over(self) -> bool:
        """Whether its function has ended, or its loop has; its outcome may not be on the log yet."""
        return self.task is not None and (self.task.done() or self.is_lost)

    @property
    def is_lost(self) -> bool:
        """Whether the event loop that it ran in is closed."""
        return self.task is not None and self.task.get_loop().is_closed()

    def begin(self, context: TaskContext, in_thread: ThreadCaller) -> None:
        """Call the function, in a task of its own."""
        loop = asyncio.get_running_loop()
        self._over = over = loop.create_future()
        self.variables.run(enter_context, context)
        self.task = loop.create_task(self._outcome(in_thread), context=self.variables)
        self.task.add_done_callback(lambda _: _set(over))

    async def over(self) -> None:
        """Return when it has ended, or was asked to."""
        assert self._over is not None
        await self._over

    def end(self, *, timed_out: bool = False) -> None:
        """Ask it to end because it is stopped or took too long. Nothing happens once it has ended."""
        if not timed_out:
            self.stopped = True
        elif self._over is not None and not self._over.done():
            self.timed_out = True
        if self._over is not None and not self.is_lost:
            _set(self._over)

    def cancel(self) -> None:
        """Cancel its task. A call in a thread is abandoned: the thread continues by itself."""
        if self.task is None or self.task.done() or self.is_lost:
            return
        if self._scope is not None:
            self._scope.cancel()
        else:
            self.task.cancel()

    def outcome(self) -> Outcome:
        """Its outcome, once it has ended or taken too long."""
        if self.timed_out:
            text = took_longer(self.op.after)
            return TaskFailed(self.frame, "TimeoutError", text, kinds_of(TimeoutError), True, self._where_cut_off())
        assert self.task is not None
        if self.task.cancelled():
            return self._failed(asyncio.CancelledError())
        return self.task.result() if self.task.exception() is None else self._failed(NamelessError())

    def _where_cut_off(self) -> str:
        """The traceback of its cancellation: what it was waiting for."""
        if self.task is None or not self.task.done() or self.task.cancelled() or self.task.exception() is not None:
            return ""
        cut_off = self.task.result()
        return cut_off.traceback if isinstance(cut_off, TaskFailed) else ""

    async def _outcome(self, in_thread: ThreadCaller) -> Outcome:
        result: Any = None
        try:
            result = await self._result(in_thread)
            if isinstance(result, Raised):
                return self._failed(result.error)
            return self._settled(result)
        except BaseException as error:
            return self._failed(error)
        finally:
            if inspect.iscoroutine(result):  # its type does not matter, since nobody awaits it
                with suppress(BaseException):
                    result.close()

    async def _result(self, in_thread: ThreadCaller) -> Any:
        try:
            value = self.op.shape.revive(self.order.value)
        except Unreadable as error:  # it still counts as running: the next worker calls it, if that worker can read it
            logger.error(
                "%s is not called: what is stored for it cannot be read here: %s",
                in_line(self.path),
                in_line(message_of(error)),
            )
            self.stopped = True
            raise
        if self.op.is_async:
            return await self.op.fn(value)
        result: Any = None
        with anyio.CancelScope() as self._scope:  # not its task, so that the thread can also see that it was abandoned
            result = await in_thread(partial(self._carry, asyncio.get_running_loop(), value))
        if self._scope.cancelled_caught:
            return Raised(asyncio.CancelledError())
        self._scope = None
        return await result if inspect.isawaitable(result) else result

    def _carry(self, loop: asyncio.AbstractEventLoop, value: Any) -> Any:
        """Call the function in this thread; what it raises is a value."""
        self.in_thread = True
        try:
            return self.op.fn(value)
        except BaseException as error:
            return Raised(error)
        finally:
            self.in_thread = False
            if self.abandoned is not None:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(self.abandoned)

    def checked(self, outcome: Outcome, size_max: int) -> Outcome:
        """The outcome as the log accepts it: a result that is far too large for any record fails its attempt."""
        if isinstance(outcome, TaskFailed) or len(outcome.result) <= size_max + SLACK:
            return outcome
        text = f"its result has {len(outcome.result):,} bytes, and may have {size_max:,}"
        return TaskFailed(self.frame, "TooLarge", text, kinds_of(DaggerError))

    def _settled(self, result: Any) -> Outcome:
        try:
            raw, _ = self.op.out.round_trip(result)
        except CodecError as error:
            return TaskFailed(
                self.frame, "TypeError", f"its result does not fit: {message_of(error)}", kinds_of(TypeError)
            )
        return TaskSucceeded(self.frame, raw)

    def _failed(self, error: BaseException) -> TaskFailed:
        kind = type(error)
        text = FROM_INSIDE if isinstance(error, asyncio.CancelledError) else message_of(error)
        return TaskFailed(self.frame, name_of(error), text, kinds_of(kind), traceback=traceback_of(error))


def _set(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
