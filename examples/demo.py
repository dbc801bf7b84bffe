"""Runs the order workflow of `examples/orders.py` for 1,000 orders on a SQLite file, and counts what came of it.

A payment service, a shipping service and the worker are processes of their own. The worker is killed half way, without
warning, and started again. Run it with `python -m examples.demo`; `--help` tells its options.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio

from dagger import BackendError, Dagger, DecodeError, Instance, Status, Topic, json
from examples.data.make_orders import ORDERS
from examples.orders import (
    PAYMENT_COMMAND,
    PAYMENT_LISTENER,
    SHIPPING_COMMAND,
    SHIPPING_LISTENER,
    Order,
    order_workflow,
)
from examples.terminal import Terminal

BUILD: Final = Path("build")
FILE: Final = BUILD / "orders.db"
DRAWING: Final = BUILD / "order-workflow.svg"
AT_ONCE: Final = 100
"""How many orders are under way at a time."""
PATIENCE_S: Final = 60
"""How long an order may take before it counts as lost."""
SERVICES: Sequence[Sequence[str]] = (("examples.services", "payment"), ("examples.services", "shipping"))
"""The programs that answer."""
ROOT: Final = Path(__file__).resolve().parents[1]
"""Where the programs are found."""
TOPICS: Final[Sequence[Topic[Any]]] = (PAYMENT_COMMAND, PAYMENT_LISTENER, SHIPPING_COMMAND, SHIPPING_LISTENER)


@dataclass
class Report:
    """What came of the orders."""

    total: int
    ended: Counter[Status] = field(default_factory=Counter[Status])
    messages: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """How often a topic carried a message for an order."""
    seconds: float = 0.0
    killed: float | None = None
    """When the worker was killed, in seconds of the clock that `seconds` is of."""
    stood: float = 0.0
    """For how many seconds after that no order was completed."""
    last: Instance | None = None

    @property
    def done(self) -> int:
        """How many orders have ended."""
        return self.ended.total()

    @property
    def completed(self) -> int:
        """How many orders went well."""
        return self.ended[Status.COMPLETED]

    @property
    def heard(self) -> int:
        """How many messages there were, of all topics."""
        return sum(seen.total() for seen in self.messages.values())

    @property
    def is_good(self) -> bool:
        """Whether every order was completed, with each message once."""
        return self.completed == self.total and not any(self.lost(t) or self.duplicated(t) for t in self.messages)

    def lost(self, topic: str) -> int:
        """How many orders have no message on a topic."""
        return self.total - len(self.messages[topic])

    def duplicated(self, topic: str) -> int:
        """How many messages of a topic were too many."""
        return self.messages[topic].total() - len(self.messages[topic])

    def count(self, ended: Instance) -> None:
        """An order has come to its end, or is given up."""
        now = time.perf_counter()
        if self.killed is not None and not self.stood:
            self.stood = now - self.killed
        self.last = ended
        self.ended[ended.status] += 1


# The processes.


class Process:
    """A program of the examples, in a process of its own."""

    def __init__(self, *command: str) -> None:
        self._command = [sys.executable, "-m", *command]
        self.start()

    def start(self) -> None:
        """Start it, once more too."""
        # A session of its own: what the terminal sends on Ctrl-C is for the demo.
        self._running = subprocess.Popen(self._command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)

    def kill(self) -> None:
        """End it without warning."""
        self._running.kill()
        self._running.wait()

    def end(self) -> None:
        """Ask it to end, and wait."""
        self._running.terminate()
        try:
            self._running.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@asynccontextmanager
async def running(url: str) -> AsyncGenerator[Process]:
    """The services and the worker, which is given, while the context is open."""
    services = [Process(*program, url) for program in SERVICES]
    worker = Process("examples.worker", url)
    try:
        yield worker
    finally:
        for process in (worker, *services):
            process.end()


# The run.


async def run(orders: Sequence[Order], terminal: Terminal) -> Report:
    """Run the workflow for all orders."""
    report = Report(len(orders), messages={topic.name: Counter() for topic in TOPICS})
    url = f"sqlite:///{FILE.resolve()}"
    engine = Dagger(url)
    async with running(url) as worker, anyio.create_task_group() as beside:
        for topic in TOPICS:
            beside.start_soon(_audit, engine, topic, report.messages[topic.name])
        async with anyio.create_task_group() as screen:
            screen.start_soon(terminal.follow, "orders", lambda: report.done, report.total)
            begun = time.perf_counter()
            await _all(engine, orders, report, worker)
            report.seconds = time.perf_counter() - begun
        await _quiet(report)
        beside.cancel_scope.cancel()
    await engine.aclose()
    return report


async def _all(engine: Dagger, orders: Sequence[Order], report: Report, worker: Process) -> None:
    """Start the orders, some at a time, and wait for each; half way the worker dies."""
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(order: Order) -> None:
        async with limiter:
            started = await engine.start(order_workflow, order)
            with anyio.move_on_after(PATIENCE_S):
                await engine.wait(started)
            report.count(started.instance)
            if report.killed is None and report.done >= report.total // 2:
                report.killed = time.perf_counter()
                worker.kill()
                worker.start()

    async with anyio.create_task_group() as group:
        for order in orders:
            group.start_soon(one, order)


async def _audit(engine: Dagger, topic: Topic[Any], seen: Counter[str]) -> None:
    """Counts the messages of a topic by order."""
    async for message in engine.subscribe(topic, group="audit"):
        seen[message.order_id] += 1


async def _quiet(report: Report) -> None:
    """Wait until nothing more comes, so that what was sent too often is counted too."""
    before = -1
    while before != report.heard:
        before = report.heard
        await anyio.sleep(0.2)


# What the person sees.


def show(report: Report, terminal: Terminal) -> None:
    """Tell what came of the orders."""
    lost = max(report.lost(topic) for topic in report.messages)
    twice = max(report.duplicated(topic) for topic in report.messages)
    mark = terminal.good("✔") if report.is_good else terminal.bad("✘")
    counted = f"{report.completed:,} completed, {lost:,} lost, {twice:,} duplicated"
    terminal.say(f"\n{mark} {terminal.bold(f'{report.total:,} orders: {counted}')}")
    terminal.say(f"  {report.seconds:.2f} s, {report.done / report.seconds:,.0f} orders per second")
    terminal.say(f"  the worker was killed half way: {report.stood:.2f} s until the next order was completed\n")
    terminal.table(("topic", "messages", "lost", "duplicated"), list(_counts(report)))
    if report.last is not None:
        terminal.say(f"\n{terminal.bold('The last order that ended, with the times of its steps')}\n")
        terminal.say(report.last.tree())
    DRAWING.write_text(order_workflow.to_svg(), encoding="utf-8")
    terminal.say(f"\nThe workflow is drawn in {DRAWING}, and the orders are kept in {FILE}")


def _counts(report: Report) -> Iterator[Sequence[str]]:
    for topic, seen in report.messages.items():
        yield topic, f"{seen.total():,}", f"{report.lost(topic):,}", f"{report.duplicated(topic):,}"


def load(path: Path, limit: int | None) -> list[Order]:
    """The orders of a file, one a line. Raises OSError, or ValueError with the number of the line."""
    wire, orders = json.bind(Order), dict[str, Order]()
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            order: Order = wire.decode(line)
        except DecodeError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        if order.order_id in orders:
            raise ValueError(f"{path}, line {number}: order '{order.order_id}' is in the file already")
        orders[order.order_id] = order
        if len(orders) == limit:
            break
    if not orders:
        raise ValueError(f"{path} is empty")
    return list(orders.values())


def prepare() -> None:
    """An empty file for the orders."""
    BUILD.mkdir(exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        FILE.with_name(FILE.name + suffix).unlink(missing_ok=True)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Run the order workflow on a SQLite file for every order, and kill its worker half way.",
    )
    parser.add_argument("--orders", type=Path, default=ORDERS, metavar="FILE", help="one order a line, as JSON")
    parser.add_argument("--limit", type=_count, metavar="N", help="run the first N orders only")
    return parser.parse_args(given)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def main(given: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if every order was completed, 1 if not, 2 where there is nothing to run."""
    options, terminal = arguments(given), Terminal()
    try:
        orders = load(options.orders, options.limit)
        prepare()
    except (OSError, ValueError) as error:
        print(f"The demo can't begin: {error}", file=sys.stderr)
        return 2
    terminal.say(f"{order_workflow}\n")
    try:
        report = anyio.run(partial(run, orders, terminal))
    except KeyboardInterrupt:
        terminal.say("\nstopped")
        return 130
    except BackendError as error:
        print(f"The demo can't go on: {error}", file=sys.stderr)
        return 1
    show(report, terminal)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        # So that `| head` ends the demo without a traceback.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
