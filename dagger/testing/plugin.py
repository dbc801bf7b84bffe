"""The pytest plugin: the fixture `dagger_engine`, for async test functions without any mark.

With `--dagger-explore` every test that uses an engine of the kit is explored too: it runs again and again, each time
with one crash, redelivery, duplicate, reordering or other release at another point, and its outcome must stay the same.

pytest loads this module in every project of the environment. Therefore it imports nothing that may not be needed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from dagger.testing.exploration import Exploration
    from dagger.testing.kit import TestEngine

    Explored = pytest.StashKey[list[Exploration]]

_MARKS: Final = ("anyio", "asyncio", "trio")
_EXPLORED: Final[Explored] = pytest.StashKey()
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
        help="explore each async test with an engine of dagger.testing, in at most this many runs with a fault (100)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark `unexplored`."""
    config.addinivalue_line("markers", "unexplored(reason): excludes a test from --dagger-explore")
    config.stash[_EXPLORED] = []
    config.stash[_LEFT_OUT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which tests were explored, and which were not, with the reason."""
    found, left_out = config.stash[_EXPLORED], config.stash[_LEFT_OUT]
    if found or left_out:
        runs = sum(sum(one.runs.values()) for one in found)
        terminalreporter.section("explored")
        terminalreporter.write_line(f"{len(found)} tests survived {runs} runs with a fault each")
        for line in left_out:
            terminalreporter.write_line(f"not explored: {line}")


@pytest.fixture
def dagger_engine() -> Iterator[TestEngine]:
    """An engine in memory with a virtual clock. It is closed after the test."""
    import anyio

    from dagger.testing.kit import TestEngine

    engine = TestEngine()
    yield engine
    if not engine.is_closed:
        anyio.run(engine.close)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses an engine of the kit, unless a mark assigns it to another plugin."""
    engines = _engines(pyfuncitem)
    if not engines or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(mark) for mark in _MARKS):
        return None
    import anyio

    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    anyio.run(_run, pyfuncitem.obj, arguments, engines)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Explore a test that has passed, whichever plugin ran it."""
    result = yield
    runs: int = item.config.option.dagger_explore
    if runs and isinstance(item, pytest.Function) and _engines(item):
        from dagger.testing.reruns import explored

        found = explored(item, runs)
        if isinstance(found, str):
            item.config.stash[_LEFT_OUT].append(f"{item.name}: {found}")
        else:
            item.config.stash[_EXPLORED].append(found)
    return result


def _engines(item: pytest.Function) -> list[TestEngine]:
    """The engines that the fixtures of a test have made."""
    if "dagger.testing.kit" not in sys.modules:
        return []
    from dagger.testing.kit import TestEngine

    return [value for value in item.funcargs.values() if isinstance(value, TestEngine)]


async def _run(test: Any, arguments: dict[str, Any], engines: list[TestEngine]) -> None:
    try:
        await test(**arguments)
    finally:
        for engine in engines:
            await engine.close()
