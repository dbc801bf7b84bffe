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
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from dagger import BackendError, Dagger, DecodeError, Instance, Status, Topic, json
from dagger.backends.sqlite import connect
from dagger.engine.headers import ID, header_text, text_of
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
"""How many orders are under way at a time, at most."""
PATIENCE_S: Final = 60
"""How long an order may take before it counts as lost."""
QUIET_S: Final = 0.3
"""A topic of which nothing more comes for so long has been read to its end."""
SERVICES: Sequence[Sequence[str]] = (("examples.services", "payment"), ("examples.services", "shipping"))
"""The programs that answer."""
ENDS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that end the demo."""
ROOT: Final = Path(__file__).resolve().parents[1]
"""Where the programs are found."""
TOPICS: Final[Sequence[Topic[Any]]] = (PAYMENT_COMMAND, PAYMENT_LISTENER, SHIPPING_COMMAND, SHIPPING_LISTENER)


@dataclass
class Report:
    """What came of the orders."""

    total: int
    ended: Counter[Status] = field(default_factory=Counter[Status])
    orders: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """For which orders there is a message, by topic."""
    messages: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """How many messages there are under one id, by topic."""
    seconds: float = 0.0
    killed: datetime | None = None
    """When the worker was killed."""
    resumed: datetime | None = None
    """When the first order after that was completed, as the next worker has noted it."""
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
    def lost(self) -> int:
        """How many orders were not completed, or lack a message."""
        return max(self.total - self.completed, *map(self.lost_of, self.messages))

    @property
    def duplicated(self) -> int:
        """How many messages were too many."""
        return sum(map(self.duplicated_of, self.messages))

    def lost_of(self, topic: str) -> int:
        """How many orders have no message on a topic."""
        return self.total - len(self.orders[topic])

    def duplicated_of(self, topic: str) -> int:
        """How many messages of a topic were too many: each carries an id, and no two the same."""
        return self.messages[topic].total() - len(self.messages[topic])

    def count(self, ended: Instance) -> None:
        """An order has come to its end, or is given up."""
        at = ended.ended
        # Not when it is seen here: what was completed just before the kill may be seen after it.
        if at is not None and self.killed is not None and at > self.killed:
            self.resumed = at if self.resumed is None else min(at, self.resumed)
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

    def ask_to_end(self) -> None:
        """Ask it to finish what it does, and end."""
        self._running.terminate()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""
        self._running.wait(seconds)


@contextmanager
def running(url: str) -> Iterator[Process]:
    """The services and the worker, which is given, while the context is open. At its end none is left."""
    processes = list[Process]()
    try:
        for program in (*SERVICES, ("examples.worker",)):
            processes.append(Process(*program, url))
        yield processes[-1]
        for process in processes:
            process.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            for process in processes:
                process.wait(10)
    finally:
        for process in processes:
            process.kill()


# The run.


async def until_told_to_end(orders: Sequence[Order], terminal: Terminal) -> Report | None:
    """Run, unless somebody ends the demo before: None, and its processes are ended too."""
    report, failed = None, None
    async with anyio.create_task_group() as group:

        async def watch(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            with anyio.open_signal_receiver(*ENDS) as signals:
                task_status.started()
                async for _ in signals:
                    group.cancel_scope.cancel()

        await group.start(watch)
        try:
            report = await run(orders, terminal)
        except BackendError as error:
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return report


async def run(orders: Sequence[Order], terminal: Terminal) -> Report:
    """Run the workflow for all orders."""
    report = Report(len(orders))
    url = f"sqlite:///{FILE.resolve()}"
    async with aclosing(Dagger(url)) as engine:
        with running(url) as worker:
            async with anyio.create_task_group() as screen:
                screen.start_soon(terminal.follow, "orders", lambda: report.done, report.total)
                begun = time.perf_counter()
                await _all(engine, orders, report, worker)
                report.seconds = time.perf_counter() - begun
    await _audit(url, report)
    return report


async def _all(engine: Dagger, orders: Sequence[Order], report: Report, worker: Process) -> None:
    """Start the orders, some at a time, and wait for each; half way the worker dies."""
    limiter = anyio.CapacityLimiter(min(AT_ONCE, 1 + report.total // 4))

    async def one(order: Order) -> None:
        async with limiter:
            started = await engine.start(order_workflow, order)
            with anyio.move_on_after(PATIENCE_S):
                await engine.wait(started)
            report.count(started.instance)
            if report.killed is None and report.done >= report.total // 2:
                worker.kill()
                report.killed = datetime.now(UTC)
                worker.start()

    async with anyio.create_task_group() as group:
        for order in orders:
            group.start_soon(one, order)


async def _audit(url: str, report: Report) -> None:
    """Read the topics as they lie in the file, from their beginning, when all is done."""
    backend = connect(url, None)
    async with backend.open():
        for topic in TOPICS:
            found, ids = report.orders.setdefault(topic.name, set()), Counter[str]()
            report.messages[topic.name] = ids
            more = True
            async with backend.log.reader(topic.name, "audit") as reader:
                while more:
                    more = False
                    with anyio.move_on_after(QUIET_S):
                        for message in await reader.read(1_000):
                            found.add(text_of(message.key or b""))
                            ids[header_text(message.headers, ID) or ""] += 1
                        more = True


# What the person sees.


def show(report: Report, terminal: Terminal) -> None:
    """Tell what came of the orders."""
    mark = terminal.bad("✘") if report.lost or report.duplicated else terminal.good("✔")
    counted = f"{report.completed:,} completed, {report.lost:,} lost, {report.duplicated:,} duplicated"
    terminal.say(f"\n{mark} {terminal.bold(f'{report.total:,} orders: {counted}')}")
    terminal.say(f"  {report.seconds:.2f} s, {report.done / report.seconds:,.0f} orders per second")
    terminal.say(f"  the worker was killed half way: {_pause(report)}\n")
    terminal.table(("topic", "messages", "lost", "duplicated"), list(_counts(report)))
    if report.last is not None:
        terminal.say(f"\n{terminal.bold('The last order that ended, with the times of its steps')}\n")
        terminal.say(report.last.tree())
    DRAWING.write_text(order_workflow.to_svg(), encoding="utf-8")
    terminal.say(f"\nThe workflow is drawn in {DRAWING}, and the orders are kept in {FILE}")


def _pause(report: Report) -> str:
    if report.killed is None or report.resumed is None:
        return "no order was completed after that"
    return f"{(report.resumed - report.killed).total_seconds():.2f} s until the next order was completed"


def _counts(report: Report) -> Iterator[Sequence[str]]:
    for topic, ids in report.messages.items():
        yield topic, f"{ids.total():,}", f"{report.lost_of(topic):,}", f"{report.duplicated_of(topic):,}"


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
    """Run the demo; 0 if nothing was lost or duplicated, 1 if anything was, 2 where there is nothing to run."""
    options, terminal = arguments(given), Terminal()
    try:
        orders = load(options.orders, options.limit)
        prepare()
    except (OSError, ValueError) as error:
        print(f"The demo can't begin: {error}", file=sys.stderr)
        return 2
    terminal.say(f"{order_workflow}\n")
    try:
        report = anyio.run(until_told_to_end, orders, terminal)
    except BackendError as error:
        print(f"The demo can't go on: {error}", file=sys.stderr)
        return 1
    if report is None:
        terminal.say("\nstopped")
        return 130
    show(report, terminal)
    return 1 if report.lost or report.duplicated else 0


if __name__ == "__main__":
    sys.exit(main())
