"""Runs the tests against mutants: pytest collects once, and the tests that concern a mutant run in a fork of its own.

First one fork runs every test with probes, which record the statements that each test executes and how long it runs.
A mutant is then tried by the tests that execute its statement, the fastest first, until one fails. A fork that runs for
much longer than it should is stopped by a limit of processor time, so that the load of the machine decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pytest

from tools.mutants.patching import Mutant, Source, Statement

MEMORY_MAX: Final = 4 * 1024**3
"""How much memory a fork may use, in bytes."""
SLACK_S: Final = 5
"""How much processor time a fork may use in any case, in seconds, beside four times what its tests need."""
HANGS_S: Final = 30
"""How long one test may take, in seconds of real time, beside twenty times what it takes without a mutant: whatever
waits for something that never comes uses no processor time."""

Killer: TypeAlias = str
"""The test that fails, "timeout", or nothing."""


@dataclass
class Known:
    """What is known of the tests: by their ids, how long each runs, and which statements it executes."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    statements: dict[str, set[Statement]] = field(default_factory=dict[str, set[Statement]])

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that execute the statement of a mutant, the fastest first. For a table: all that execute any."""
        if mutant.entry >= 0:
            found = [id for id, seen in self.statements.items() if seen]
        else:
            found = [id for id, seen in self.statements.items() if (mutant.path, mutant.line) in seen]
        return sorted(found, key=lambda id: self.seconds[id])


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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("tests that cannot be collected")
        self._items = {item.nodeid: item for item in session.items}
        known = self._measured()
        waiting = self._chosen([mutant for source in self._sources.values() for mutant in source.mutants()])
        for done, (mutant, killer) in enumerate(self._tried(waiting, known), start=1):
            self.found[mutant] = killer
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

    def _tried(self, waiting: list[Mutant], known: Known) -> Iterator[tuple[Mutant, Killer]]:
        running = list[Fork]()
        for mutant in waiting:
            tests = known.tests_of(mutant)
            if not tests:
                yield mutant, ""
                continue
            running.append(self._forked(mutant, tests, known))
            while len(running) >= self._jobs:
                yield from _ended(running)
        while running:
            yield from _ended(running)

    def _forked(self, mutant: Mutant, tests: list[str], known: Known) -> Fork:
        limit = int(SLACK_S + 4 * sum(known.seconds[id] for id in tests))
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
            _quietly(lambda: self._try(mutant, tests, known, writing))
        os.close(writing)
        return Fork(mutant, pid, reading)

    def _try(self, mutant: Mutant, tests: list[str], known: Known, writing: int) -> None:
        self._sources[mutant.path].plant(mutant)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
        items = [self._items[id] for id in tests]
        for item, after in zip(items, [*items[1:], None], strict=True):
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
