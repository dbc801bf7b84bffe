"""Running tasks: each once at a time, with its result appended to the log of the instance."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from dagger.core.effects import RunTask
from dagger.core.events import TaskFailed, TaskSucceeded
from dagger.core.turn import kinds_of
from dagger.engine.context import TaskContext, enter_context
from dagger.errors import CodecError, in_line, words_of
from dagger.plan.ops import Run
from dagger.plan.plan import Plan

logger: Final = logging.getLogger("dagger")

Outcome = TaskSucceeded | TaskFailed


class Spawn(Protocol):
    """Starts a coroutine in the background."""

    def __call__(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool: ...


class Tasks:
    """The tasks that run in this worker, by instance and frame."""

    def __init__(
        self,
        report: Callable[[str, Outcome], Awaitable[None]],
        resources: Callable[[], Any],
        threads: int,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._report = report
        self._resources = resources
        self._limiter = anyio.CapacityLimiter(threads)
        self._running: dict[tuple[str, int], tuple[anyio.CancelScope, str]] = {}
        self._idle: anyio.Event | None = None
        self._changed = changed
        self._waiting: set[tuple[str, int]] = set()
        self.leaving = False

    @property
    def paths(self) -> list[str]:
        """The instance and path of every task that runs now and has not said that it hangs."""
        return [path for key, (_, path) in self._running.items() if key not in self._waiting]

    def _hangs(self, id: str, frame: int) -> None:
        """A task says of itself that it will not end."""
        self._waiting.add((id, frame))
        self._changed()

    def start(self, spawn: Spawn, id: str, plan: Plan, order: RunTask) -> None:
        """Start a task, unless it runs already."""
        key = (id, order.frame)
        found = self._running.get(key)
        if found is not None and not found[0].cancel_called:  # what is cancelled may take a while to end
            return
        op = plan.ops[order.op]
        scope = anyio.CancelScope()
        self._running[key] = (scope, f"{id}: {op.path}")
        if not spawn(partial(self._run, id, plan, order, scope)):
            del self._running[key]

    def stop(self, id: str, frame: int) -> None:
        """Cancel a task; what it gives is dropped."""
        found = self._running.get((id, frame))
        if found is not None:
            found[0].cancel()

    def stop_where(self, found: Callable[[str], bool]) -> None:
        """Cancel every task of the instances whose ids are found."""
        for (id, _), (scope, _) in list(self._running.items()):
            if found(id):
                scope.cancel()

    def stop_all(self) -> None:
        """Cancel every task."""
        self.stop_where(lambda id: True)

    async def ended(self) -> None:
        """Return when no task runs."""
        while self._running:
            self._idle = self._idle or anyio.Event()
            await self._idle.wait()

    async def _run(self, id: str, plan: Plan, order: RunTask, scope: anyio.CancelScope) -> None:
        op = plan.ops[order.op]
        assert isinstance(op, Run)
        enter_context(
            TaskContext(
                id,
                plan.template,
                op.path,
                order.attempt,
                order.key,
                self._resources(),
                partial(self._hangs, id, order.frame),
            )
        )
        try:
            with scope:
                outcome, error = await self._outcome(op, order, scope)
                if isinstance(outcome, TaskFailed):
                    _tell(f"{id}: the task {op.path}, attempt {order.attempt},", outcome, error)
                await self._report(id, outcome)
        finally:
            found = self._running.get((id, order.frame))
            if found is not None and found[0] is scope:  # else it was begun anew meanwhile
                del self._running[id, order.frame]
            self._waiting.discard((id, order.frame))
            self._changed()
            if not self._running and self._idle is not None:
                self._idle.set()
                self._idle = None

    async def _outcome(self, op: Run, order: RunTask, scope: anyio.CancelScope) -> tuple[Outcome, BaseException | None]:
        """Call the function; whatever it raises is an outcome, unless the engine itself cancels it."""
        try:
            result = await self._call(op, order.value)
        except anyio.get_cancelled_exc_class() as error:
            if scope.cancel_called or self.leaving:
                raise
            return _failed(order.frame, error, "it was cancelled from inside"), error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return _failed(order.frame, error, words_of(error)), error
        return _settled(op, order.frame, result), None

    async def _call(self, op: Run, raw: bytes) -> Any:
        value = op.shape.revive(raw)
        if op.is_async:
            return await op.fn(value)
        result = await self._in_thread(partial(op.fn, value))
        return await result if inspect.isawaitable(result) else result

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Call a sync function beside the event loop."""
        return await anyio.to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=True)


def _settled(op: Run, frame: int, result: Any) -> Outcome:
    try:
        raw, _ = op.out.settle(result)
    except CodecError as error:
        return TaskFailed(frame, "TypeError", f"its result does not fit: {error}", kinds_of(TypeError))
    return TaskSucceeded(frame, raw)


def _failed(frame: int, error: BaseException, message: str) -> TaskFailed:
    return TaskFailed(frame, type(error).__name__, message, kinds_of(type(error)))


def _tell(what: str, failed: TaskFailed, error: BaseException | None) -> None:
    """Log a failure; where it was raised is told to who wants to know all."""
    trace = error if logger.isEnabledFor(logging.DEBUG) else None
    logger.info("%s has failed: %s: %s", in_line(what), failed.kind, in_line(failed.message), exc_info=trace)
