"""Runs the order workflow of `examples/orders.py` for 1,000 orders, in memory, and counts what came of it.

Run it with `python -m examples.demo`; `--help` tells its options.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio

from dagger import Dagger, DecodeError, Instance, Status, Topic, json
from examples.data.make_orders import ORDERS
from examples.orders import (
    PAYMENT_COMMAND,
    PAYMENT_LISTENER,
    SHIPPING_COMMAND,
    SHIPPING_LISTENER,
    Order,
    Paid,
    Shipped,
    order_workflow,
)
from examples.terminal import Terminal

DRAWING: Final = Path("build") / "order-workflow.svg"
AT_ONCE: Final = 100
"""How many orders are under way at a time."""
PATIENCE_S: Final = 60
"""How long an order may take before it counts as lost."""
TOPICS: Final[Sequence[Topic[Any]]] = (PAYMENT_COMMAND, PAYMENT_LISTENER, SHIPPING_COMMAND, SHIPPING_LISTENER)


@dataclass
class Report:
    """What came of the orders."""

    total: int
    ended: Counter[Status] = field(default_factory=Counter[Status])
    messages: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """How often a topic carried a message for an order."""
    seconds: float = 0.0
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

    def lost(self, topic: str) -> int:
        """How many orders have no message on a topic."""
        return self.total - len(self.messages[topic])

    def duplicated(self, topic: str) -> int:
        """How many messages of a topic were too many."""
        return self.messages[topic].total() - len(self.messages[topic])


# The two services, and a third that only counts.


async def payment_service(engine: Dagger) -> None:
    """Takes the money for each order."""
    async for charge in engine.subscribe(PAYMENT_COMMAND, group="payment-service"):
        await engine.publish(PAYMENT_LISTENER, Paid(charge.order_id, f"r-{charge.order_id}"))


async def shipping_service(engine: Dagger) -> None:
    """Sends a parcel for each order."""
    async for ship in engine.subscribe(SHIPPING_COMMAND, group="shipping-service"):
        carrier = "Post" if ship.address.country == "DE" else "Parcel Express"
        await engine.publish(SHIPPING_LISTENER, Shipped(ship.order_id, carrier, f"t-{ship.order_id}"))


async def audit(engine: Dagger, topic: Topic[Any], seen: Counter[str]) -> None:
    """Counts the messages of a topic by order."""
    async for message in engine.subscribe(topic, group="audit"):
        seen[message.order_id] += 1


@asynccontextmanager
async def running(*services: Callable[[], Any]) -> AsyncGenerator[None]:
    """Let services run beside the code inside."""
    async with anyio.create_task_group() as group:
        for service in services:
            group.start_soon(service)
        yield
        group.cancel_scope.cancel()


# The run.


async def run(orders: Sequence[Order], terminal: Terminal) -> Report:
    """Run the workflow for all orders."""
    report = Report(len(orders), messages={topic.name: Counter() for topic in TOPICS})
    async with Dagger() as engine:
        audits = [partial(audit, engine, topic, report.messages[topic.name]) for topic in TOPICS]
        async with running(partial(payment_service, engine), partial(shipping_service, engine), *audits):
            async with anyio.create_task_group() as screen:
                screen.start_soon(terminal.follow, "orders", lambda: report.done, report.total)
                begun = time.perf_counter()
                await _all(engine, orders, report)
                report.seconds = time.perf_counter() - begun
            await _quiet(report)
    return report


async def _quiet(report: Report) -> None:
    """Wait until nothing more comes, so that what was sent too often is counted too."""
    before = -1
    while before != report.heard:
        before = report.heard
        await anyio.sleep(0.05)


async def _all(engine: Dagger, orders: Sequence[Order], report: Report) -> None:
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(order: Order) -> None:
        async with limiter:
            started = await engine.start(order_workflow, order)
            with anyio.move_on_after(PATIENCE_S):
                await engine.wait(started)
            report.last = started.instance
            report.ended[report.last.status] += 1

    async with anyio.create_task_group() as group:
        for order in orders:
            group.start_soon(one, order)


# What the person sees.


def show(report: Report, terminal: Terminal) -> None:
    """Tell what came of the orders."""
    lost = max(report.lost(topic) for topic in report.messages)
    twice = max(report.duplicated(topic) for topic in report.messages)
    good = report.completed == report.total and not lost and not twice
    mark = terminal.good("✔") if good else terminal.bad("✘")
    counted = f"{report.completed:,} completed, {lost:,} lost, {twice:,} duplicated"
    terminal.say(f"\n{mark} {terminal.bold(f'{report.total:,} orders: {counted}')}")
    terminal.say(f"  {report.seconds:.2f} s, {report.done / report.seconds:,.0f} orders per second\n")
    terminal.table(("topic", "messages", "lost", "duplicated"), list(_counts(report)))
    if report.last is not None:
        terminal.say(f"\n{terminal.bold('The last order that ended, with the times of its steps')}\n")
        terminal.say(report.last.tree())
    DRAWING.parent.mkdir(exist_ok=True)
    DRAWING.write_text(order_workflow.to_svg(), encoding="utf-8")
    terminal.say(f"\nThe workflow is drawn in {DRAWING}")


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


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="Run the order workflow in memory, for every order of a file."
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
    except (OSError, ValueError) as error:
        print(f"The orders can't be read: {error}", file=sys.stderr)
        return 2
    terminal.say(f"{order_workflow}\n")
    try:
        report = anyio.run(run, orders, terminal)
    except KeyboardInterrupt:
        terminal.say("\nstopped")
        return 130
    show(report, terminal)
    return 0 if report.completed == report.total else 1


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        # So that `| head` ends the demo without a traceback.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
