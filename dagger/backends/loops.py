"""The event loop that a backend is open in: what is bound to it is of no use in another."""

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
    """Like `asynccontextmanager`, for what is entered inside of another context manager only.

    At the end of `asyncio.run` the event loop closes every asynchronous generator that it knows of, all at once. That
    fails where one is inside of another, and is logged. So the loop is not told of the inner ones: the outer one, which
    it closes, leaves them in their order.
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
        told = sys.get_asyncgen_hooks().firstiter
        sys.set_asyncgen_hooks(firstiter=None)
        try:
            first = anext(self._generator)  # asks for the hooks, and runs nothing yet
        finally:
            sys.set_asyncgen_hooks(firstiter=told)
        return await first

    @override
    async def __aexit__(self, *exc: Any) -> bool | None:
        return await self._inner.__aexit__(*exc)


class LoopBinding:
    """Lets a backend be open in one event loop at a time, and in one after the other."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Open in the loop that runs. Raises BackendError while it is open in another that has not ended."""
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
        """Raise BackendError where it is used from another event loop than that in which it is open."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise self._elsewhere()

    def _elsewhere(self) -> BackendError:
        return BackendError(
            f"{self._place} is open in another event loop, and is not to be used from this one; end it there first "
            "(leave its `async with`, or await aclose()), or make another Dagger for each loop"
        )
