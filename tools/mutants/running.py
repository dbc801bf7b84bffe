"""Runs the tests against mutants: pytest collects once, and the tests that concern a mutant run in a fork of its own.

First one fork runs every test with probes, which record the statements that each test executes and how long it runs.
A mutant is then tried by the tests that execute its statement, until one fails or they have used up their time. Tests
that found other mutants of the same function come first, then those of the same module, then the fastest. A test that
runs for much longer than it should is stopped by a limit of processor time, so that the load of the machine decides
nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import Phase, settings

from tools.mutants.patching import Mutant, Source, Statement

MEMORY_MAX: Final = 4 * 1024**3
"""How much memory a fork may use, in bytes."""
BUDGET_S: Final = 8
"""How much processor time the tests of one mutant may use, in seconds. What they have not found by then survives."""
SLACK_S: Final = 2
"""How much processor time a test may use in any case, in seconds, beside ten times what it uses without a mutant."""
HANGS_S: Final = 15
"""How long one test may take, in seconds of real time, beside twenty times what it takes without a mutant: whatever
waits for something that never comes uses no processor time."""

Killer: TypeAlias = str
"""The test that fails, "timeout", or nothing."""
Kills: TypeAlias = Counter[tuple[str, str, str]]
"""How many mutants each test has found: by the path of a module, a function (or nothing, for all), and the test."""


@dataclass
class Known:
    """What is known of the tests: by their ids, how long each runs, and which statements it executes."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    statements: dict[str, set[Statement]] = field(default_factory=dict[str, set[Statement]])

    def tests_of(self, mutant: Mutant, kills: Kills) -> list[str]:
        """The tests that execute the statement of a mutant, those that are likely to find it first.

        For an entry of a table: all that execute anything. They end where the time of a mutant is used up.
        """
        place = (mutant.path, mutant.line)
        found = [id for id, seen in self.statements.items() if (seen if mutant.entry >= 0 else place in seen)]

        def order(id: str) -> tuple[int, int, float]:
            return -kills[mutant.path, mutant.function, id], -kills[mutant.path, "", id], self.seconds[id]

        found.sort(key=order)
        used = accumulate((self.seconds[id] for id in found), initial=0.0)
        return [id for id, before in zip(found, used, strict=False) if before < BUDGET_S]


@dataclass
class Fork:
    """A process that tries a mutant."""

    mutant: Mutant
    pid: int
    pipe: int


class Mutants:
    """The plugin that runs the mutants in place of the tests."""

    def __init__(
        self,
        sources: Sequence[Source],
        chosen: Callable[[list[Mutant]], list[Mutant]],
        told: Callable[[int, int, Mutant, Killer], None],
        jobs: int,
    ) -> None:
        self._sources = {source.path: source for source in sources}
        self._chosen = chosen
        self._told = told
        self._jobs = jobs
        self._failed = ""
        self._items = dict[str, pytest.Item]()
        self.found = dict[Mutant, Killer]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._failed:
            self._failed = report.nodeid

    def pytest_collection(self) -> None:
        """A mutant is found by any example: there is no need to look for the smallest one."""
        settings.register_profile("mutants", settings.default, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("tests that cannot be collected")
        self._items = {item.nodeid: item for item in session.items}
        known = self._measured()
        waiting = self._chosen([mutant for source in self._sources.values() for mutant in source.mutants()])
        gc.collect()
        gc.freeze()  # forks share what is there now
        kills = Kills()
        for done, (mutant, killer) in enumerate(self._tried(waiting, known, kills), start=1):
            self.found[mutant] = killer
            kills.update([(mutant.path, mutant.function, killer), (mutant.path, "", killer)])
            self._told(done, len(waiting), mutant, killer)
        return True

    # What is known of the tests.

    def _measured(self) -> Known:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            _quietly(lambda: self._measure(writing))
        os.close(writing)
        with open(reading, "rb") as pipe:
            data = pipe.read()
        os.waitpid(pid, 0)
        known, failed = pickle.loads(data) if data else (Known(), "the process died")
        if failed:
            raise pytest.UsageError(f"the tests must pass without a mutant: {failed}")
        assert isinstance(known, Known)
        return known

    def _measure(self, writing: int) -> None:
        known, seen = Known(), set[Statement]()
        for source in self._sources.values():
            source.probe(seen)
        items = list(self._items.values())
        for item, after in zip(items, [*items[1:], None], strict=True):
            seen.clear()
            begun = time.process_time()
            self._run(item, after)
            known.seconds[item.nodeid] = time.process_time() - begun
            known.statements[item.nodeid] = set(seen)
        with open(writing, "wb") as pipe:
            pickle.dump((known, self._failed), pipe)

    def _run(self, item: pytest.Item, after: pytest.Item | None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)

    # The mutants.

    def _tried(self, waiting: list[Mutant], known: Known, kills: Kills) -> Iterator[tuple[Mutant, Killer]]:
        running = list[Fork]()
        for mutant in waiting:
            tests = known.tests_of(mutant, kills)
            if not tests:
                yield mutant, ""
                continue
            running.append(self._forked(mutant, tests, known))
            while len(running) >= self._jobs:
                yield from _ended(running)
        while running:
            yield from _ended(running)

    def _forked(self, mutant: Mutant, tests: list[str], known: Known) -> Fork:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
            _quietly(lambda: self._try(mutant, tests, known, writing))
        os.close(writing)
        return Fork(mutant, pid, reading)

    def _try(self, mutant: Mutant, tests: list[str], known: Known, writing: int) -> None:
        self._sources[mutant.path].plant(mutant)
        for ends in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(ends, signal.SIG_DFL)  # which ends the process
        items = [self._items[id] for id in tests]
        for item, after in zip(items, [*items[1:], None], strict=True):
            signal.setitimer(signal.ITIMER_PROF, SLACK_S + 10 * known.seconds[item.nodeid])
            signal.setitimer(signal.ITIMER_REAL, HANGS_S + 20 * known.seconds[item.nodeid])
            self._run(item, after)
            if self._failed:
                break
        os.write(writing, self._failed.encode() or b"-")


def _quietly(work: Callable[[], Any]) -> None:
    """Do the work of a fork, and end it, whatever happens."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    sys.setrecursionlimit(1000)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(BaseException):
        work()
    os._exit(0)


def _ended(running: list[Fork]) -> Iterator[tuple[Mutant, Killer]]:
    """Wait a moment, and take out what has ended."""
    time.sleep(0.005)
    for fork in list(running):
        pid, status = os.waitpid(fork.pid, os.WNOHANG)
        if pid:
            running.remove(fork)
            with open(fork.pipe, "rb") as pipe:
                said = pipe.read().decode()
            if not said:
                said = "timeout" if os.WIFSIGNALED(status) else "it ends the tests"
            yield fork.mutant, "" if said == "-" else said
