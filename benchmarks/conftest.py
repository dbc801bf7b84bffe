"""Prints the table of ratios at the end of `make bench`."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from benchmarks.measure import FOUND, HEAD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a ratio: costs are processor time for one event or one workflow."""
    if FOUND:
        terminalreporter.section("ratios inside this run")
        for line in (HEAD, *(found.row() for found in FOUND)):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def only_its_own_garbage() -> Iterator[None]:
    """What other benchmarks and the test run itself have left is not looked through while one measures."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
