"""A test that has passed is explored: pytest sets it up anew for each run, and each run has a fault.

Everything that belongs to one test is set up for each run: function-scoped fixtures, and with them the event loop of
the plugin that runs it. Fixtures with a wider scope stay. The engine of a run, from `dagger_engine` or from a fixture
of the project, uses the memory in which the fault is injected.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import pytest

from dagger.backends.memory import MemoryBackend
from dagger.testing.exploration import Exploration, run_all
from dagger.testing.explorer import Explorer, NotRepeatable, Trial, fixed_random
from dagger.testing.kit import TestEngine, with_backend

R = TypeVar("R")


def explored(item: pytest.Function, runs: int) -> Exploration | str:
    """Explore a test that has passed: its assertions may fail with a fault, its outcome may not change.

    Returns the reason if it is skipped. Raises ExplorationFailed.
    """
    if (mark := item.get_closest_marker("unexplored")) is not None:
        return ", ".join(map(str, mark.args)) or "its mark says so"
    if hasattr(item.obj, "hypothesis"):
        return "Hypothesis runs it many times, each time with other data"
    if not inspect.iscoroutinefunction(item.obj):
        return "it is not an async function, and may run several event loops"
    perform = TestRerunner(item).perform
    try:
        return _at_once(run_all(Explorer(item.name, perform, None, strict=False), runs=runs))
    except NotRepeatable as error:
        return str(error)


class TestRerunner:
    """Reruns a test: pytest sets it up and tears it down for each run.

    pytest has no public API for this. Plugins that rerun tests do it in the same way (pytest-rerunfailures).
    """

    def __init__(self, item: pytest.Function) -> None:
        self._item = item
        self._setup = item.session._setupstate  # pyright: ignore[reportPrivateUsage]  # as above
        # `tmp_path` finds the result of its test here, and is removed at its teardown.
        self._stash = dict(item.stash._storage)  # pyright: ignore[reportPrivateUsage]  # as above
        # The run that has passed is torn down like any test: a failure there fails the test.
        self._take_down()

    def _take_down(self) -> None:
        """Tear down everything that belongs to this test alone."""
        self._setup.teardown_exact(cast("pytest.Item", self._item.parent))

    async def perform(self, trial: Trial) -> None:
        """Set the test up, run it and tear it down. Nothing here is awaited: each plugin has a loop of its own."""
        engines = list[TestEngine]()

        def memory_of(engine: TestEngine) -> MemoryBackend:
            engines.append(engine)
            if len(engines) > 1:
                return MemoryBackend()
            trial.take(engine)
            return trial.memory

        with fixed_random(), with_backend(memory_of):
            _attempt(trial, lambda: self._run(trial))
        _attempt(trial, self._take_down)
        if len(engines) > 1:
            raise NotRepeatable(f"it creates {len(engines)} engines, which share nothing")

    def _run(self, trial: Trial) -> None:
        item = self._item
        for key, value in self._stash.items():
            item.stash.setdefault(key, value)
        item._initrequest()  # pyright: ignore[reportPrivateUsage]  # as above
        self._setup.setup(item)
        if isinstance(caplog := item.funcargs.get("caplog"), pytest.LogCaptureFixture):
            caplog.clear()  # what was logged is kept from run to run: for pytest all of them are one call
        test = item.obj

        @functools.wraps(test)
        async def played(**arguments: Any) -> None:
            try:
                await trial.play(lambda: _failing_by_assertion(test, arguments))
            finally:
                if trial.engine is not None:
                    await trial.engine.close()  # in the loop in which it was used

        item.obj = played
        try:
            item.runtest()
        finally:
            item.obj = test


def _attempt(trial: Trial, part: Callable[[], None]) -> None:
    """Do a part of a run. The first error counts."""
    try:
        part()
    except (pytest.fail.Exception, pytest.skip.Exception) as raised:  # not subclasses of Exception
        trial.error = trial.error or AssertionError(str(raised))
    except Exception as raised:
        trial.error = trial.error or raised


async def _failing_by_assertion(test: Any, arguments: dict[str, Any]) -> None:
    try:
        await test(**arguments)
    except (pytest.fail.Exception, pytest.skip.Exception) as raised:
        raise AssertionError(str(raised)) from raised


def _at_once(coroutine: Coroutine[Any, Any, R]) -> R:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        found: R = done.value
        return found
    raise RuntimeError("it waits for something")
