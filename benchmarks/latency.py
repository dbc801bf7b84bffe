"""Latency under a given load: so many orders are in flight at any time, from its submission to the moment at which the
process that has submitted it knows its end."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

import anyio

from benchmarks.measure import NO_BOUND, at_most, note

IN_FLIGHT: Final = (1, 8, 50)
"""The loads: how many orders are in flight."""
WARM_UP: Final = 100
"""How many orders come before those that count."""

Latencies = Sequence[float]
"""In seconds, one for each order."""


async def closed_loop(run: Callable[[int], Awaitable[object]], in_flight: int, count: int) -> Latencies:
    """Run orders by their numbers; a new one begins whenever one has ended."""
    latencies, numbers = list[float](), iter(range(WARM_UP + count))

    async def keep_running() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await run(number)
            latencies.append(time.perf_counter() - begun)

    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(keep_running)
    return latencies[WARM_UP:]


def percentile(latencies: Latencies, percent: int) -> float:
    """In milliseconds."""
    return statistics.quantiles(latencies, n=100, method="inclusive")[percent - 1] * 1_000


def in_processes(module: str, roles: Sequence[str], where: Sequence[str], in_flight: int, count: int) -> Latencies:
    """Run `python -m MODULE ROLE WHERE...` for each role, and then for `client`, which prints the latencies."""
    with ExitStack() as stack:
        for role in roles:
            process = stack.enter_context(
                subprocess.Popen([sys.executable, "-m", module, role, *where], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{role} has ended"
        command = [sys.executable, "-m", module, "client", *where, str(in_flight), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    latencies: Latencies = json.loads(done.stdout)
    assert len(latencies) == count
    return latencies


def until_heard(module: str, where: Sequence[str], count: int) -> Latencies:
    """How long after their commit a process hears of the ends of orders in another process, one after the other."""
    with ExitStack() as stack:
        started = list[subprocess.Popen[str]]()
        for role in ("reporter", "services"):
            process = stack.enter_context(
                subprocess.Popen([sys.executable, "-m", module, role, *where], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{role} has ended"
            started.append(process)
        command = [sys.executable, "-m", module, "listener", *where, "1", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        heard: dict[str, float] = json.loads(done.stdout)
        started[0].terminate()
        lines = started[0].communicate()[0].splitlines()
    ended = {id: float(at) for word, id, at in map(str.split, lines) if word == "ended"}
    return [at - ended[id] for id, at in heard.items()][WARM_UP:]


def measure_alone(
    benchmark: Any, name: str, ours: Callable[[], Latencies], *, p50_ms_max: float, is_bound: bool, rounds: int = 3
) -> None:
    """Measure, and note p50 and p99 as shares of `p50_ms_max`, which p50 has to keep where `is_bound`."""
    found = list[Latencies]()
    benchmark.pedantic(lambda: found.append(ours()), rounds=rounds)
    for percent, bound in ((50, at_most(1.0) if is_bound else NO_BOUND), (99, NO_BOUND)):
        costs = [(percentile(latencies, percent) * 1_000, p50_ms_max * 1_000) for latencies in found]
        note(benchmark, f"{name}, p{percent}, to {p50_ms_max:g} ms", costs, bound, speed=False)


def measure(
    benchmark: Any, name: str, ours: Callable[[], Latencies], raw: Callable[[], Latencies], *, p50_ms_max: float | None
) -> None:
    """Measure both in turn, five times, and note the medians; without `p50_ms_max` nothing has to hold."""
    found = list[tuple[Latencies, Latencies]]()
    benchmark.pedantic(lambda: found.append((ours(), raw())), rounds=5)
    for percent in (50, 99):
        costs = [(percentile(a, percent) * 1_000, percentile(b, percent) * 1_000) for a, b in found]
        note(benchmark, f"{name}, p{percent}, to raw", costs, NO_BOUND, speed=False)
    if p50_ms_max is not None:
        costs = [(percentile(latencies, 50) * 1_000, p50_ms_max * 1_000) for latencies, _ in found]
        note(benchmark, f"{name}, p50, to {p50_ms_max:g} ms", costs, at_most(1.0), speed=False)
