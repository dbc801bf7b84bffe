"""The pytest plugin: the fixture `dagger_engine`, for async test functions without any mark."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from dagger.testing.kit import TestEngine

_MARKS = ("anyio", "asyncio", "trio")


@pytest.fixture
def dagger_engine() -> Iterator[TestEngine]:
    """An engine in memory on a virtual clock. It is closed after the test."""
    engine = TestEngine()
    yield engine
    if not engine.is_closed:
        anyio.run(engine.close)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses an engine of ours, unless a mark gives it to another plugin."""
    engines = [value for value in pyfuncitem.funcargs.values() if isinstance(value, TestEngine)]
    if not engines or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(mark) for mark in _MARKS):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    anyio.run(_run, pyfuncitem.obj, arguments, engines)
    return True


async def _run(test: Any, arguments: dict[str, Any], engines: list[TestEngine]) -> None:
    try:
        await test(**arguments)
    finally:
        for engine in engines:
            await engine.close()
