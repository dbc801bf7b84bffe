"""The event loop in which a backend is open: what is bound to one loop cannot be used in another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from typing_extensions import override

from dagger.errors import BackendError

P = ParamSpec("P")
T = TypeVar("T")


def nested_contextmanager(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """Like `asynccontextmanager`, for a context manager that is only entered inside another one.

    At its end, `asyncio.run` closes all asynchronous generators that the event loop knows of, at the same time. That
    fails, with a message in the log, where one is nested in another. So nested ones are hidden from the loop: it closes
    the outermost, which then exits the others in order.
    """
    make = asynccontextmanager(function)

    @wraps(function)
    def manager(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        inner = make(*args, **kwargs)
        return _NestedContextManager(inner, inner.gen)

    return manager


class _NestedContextManager(AbstractAsyncContextManager[T]):
    def __init__(self, inner: AbstractAsyncContextManager[T], generator: AsyncGenerator[T, Any]) -> None:
        self._inner = inner
        self._generator = generator

    @override
    async def __aenter__(self) -> T:
        firstiter = sys.get_asyncgen_hooks().firstiter
        sys.set_asyncgen_hooks(firstiter=None)
        try:
            first = anext(self._generator)  # asks for the hooks, and runs nothing yet
        finally:
            sys.set_asyncgen_hooks(firstiter=firstiter)
        return await first

    @override
    async def __aexit__(self, *exc: Any) -> bool | None:
        return await self._inner.__aexit__(*exc)


class LoopBinding:
    """Lets a backend be open in one event loop at a time, and in several one after another."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Bind to the running event loop. Raises BackendError while bound to another one that has not ended."""
        mine = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not mine and not self._loop.is_closed():
            raise self._elsewhere()
        self._loop = mine
        try:
            yield
        finally:
            if self._loop is mine:
                self._loop = None

    def check(self) -> None:
        """Raise BackendError if the running event loop is not the one to which the backend is bound."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise self._elsewhere()

    def _elsewhere(self) -> BackendError:
        return BackendError(
            f"{self._place} is open in another event loop and cannot be used from this one; close it there first "
            "(leave its `async with`, or await aclose()), or make a Dagger for each event loop"
        )
