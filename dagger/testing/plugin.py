"""The pytest plugin: the fixture `dagger_engine`, for async test functions without any mark.

With `--dagger-explore` every such test is explored too: it runs again and again, each time with one crash,
redelivery, duplicate or reordering at another place, and what it leads to must stay as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import anyio
import pytest

from dagger.testing.explore import Exploration, plain, run_all
from dagger.testing.explorer import Explorer, NotRepeatable
from dagger.testing.kit import TestEngine

_MARKS: Final = ("anyio", "asyncio", "trio")
_EXPLORED: Final = pytest.StashKey[list[Exploration]]()
_LEFT_OUT: Final = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--dagger-explore`."""
    parser.getgroup("dagger").addoption(
        "--dagger-explore",
        type=int,
        nargs="?",
        const=100,
        default=0,
        metavar="RUNS",
        help="explore each async test with the fixture dagger_engine: at most so many runs with a fault (100)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark `unexplored`."""
    config.addinivalue_line("markers", "unexplored(reason): what --dagger-explore leaves out, and why")
    config.stash[_EXPLORED] = []
    config.stash[_LEFT_OUT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was explored, and what could not be."""
    found, left_out = config.stash[_EXPLORED], config.stash[_LEFT_OUT]
    if found or left_out:
        runs = sum(sum(one.runs.values()) for one in found)
        terminalreporter.section("explored")
        terminalreporter.write_line(f"{len(found)} tests survived {runs} runs with a fault each")
        for line in left_out:
            terminalreporter.write_line(f"not explored: {line}")


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
    engines = {name: value for name, value in pyfuncitem.funcargs.items() if isinstance(value, TestEngine)}
    if not engines or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(mark) for mark in _MARKS):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    anyio.run(_run, pyfuncitem.obj, arguments, list(engines.values()))
    runs: int = pyfuncitem.config.option.dagger_explore
    if runs and engines.keys() == {"dagger_engine"} and not pyfuncitem.get_closest_marker("unexplored"):
        _explore(pyfuncitem, arguments, runs)
    return True


def _explore(item: pytest.Function, arguments: dict[str, Any], runs: int) -> None:
    try:
        found = anyio.run(_explored, item.name, item.obj, arguments, runs)
        item.config.stash[_EXPLORED].append(found)
    except NotRepeatable as error:
        item.config.stash[_LEFT_OUT].append(f"{item.name}: {error}")


async def _run(test: Any, arguments: dict[str, Any], engines: list[TestEngine]) -> None:
    try:
        await test(**arguments)
    finally:
        for engine in engines:
            await engine.close()


async def _explored(name: str, test: Any, arguments: dict[str, Any], runs: int) -> Exploration:
    """Explore a test that has passed: what it asserts may fail with a fault, what it leads to may not change."""

    async def scenario(engine: TestEngine) -> None:
        try:
            await test(**{**arguments, "dagger_engine": engine})
        except pytest.fail.Exception as failure:
            raise AssertionError(str(failure)) from failure

    return await run_all(Explorer(name, scenario, None, plain, strict=False), runs=runs)
