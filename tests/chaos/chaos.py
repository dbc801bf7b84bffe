"""Lets orders run through workers and servers that are struck by faults, and looks at what came of it.

A schedule says which sort of fault strikes whom, one after the other, each when so many orders are done; about so many
others are always under way. When one strikes, an order is submitted for each lane of the log, and how long it takes
until all of them have begun, and until they are done, is what a client sees of the recovery. Times are measured and
told, and decide nothing.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import anyio
import msgspec
import pytest

from dagger import Dagger, Instance
from dagger.backends.kafka.cluster import hash_of
from tests.chaos.processes import Program
from tests.chaos.programs import REFUSED
from tests.chaos.report import Summary
from tests.chaos.schedule import Fault
from tests.chaos.site import WORKERS, Site
from tests.chaos.workflow import Note, Order, chaos_order, orders

WINDOW: Final = 30
"""How many orders are under way at least; of many orders, a fiftieth part."""
STOPS_MAX: Final = 10
"""How often one is stopped until it is overtaken, for one fault."""
PATIENCE_S: Final = 240.0
"""A failure limit: for how long nothing may go on."""
LOOK_S: Final = 0.01
TREES: Final = 5
"""How many instances are shown when nothing goes on."""
BEGUN, DONE = 1, 3
"""What an order writes into its diary first, and last."""
OVERTAKEN: Final = ("stop", "network")
"""Faults that last until the session of who was struck is over."""


class Chaos:
    """One run."""

    def __init__(self, site: Site, folder: Path, total: int, faults: Sequence[Fault], seed: int = 0) -> None:
        self.site = site
        self.folder = folder
        self.total = total
        self.summary = Summary(site.title, seed, list(faults))
        self.engine = Dagger(*site.urls())
        self.engine.register(chaos_order)
        self.programs = list[Program]()
        self.probes = list[Order]()
        """The orders that were submitted to see how long a recovery takes."""
        self.progress = dict[str, int]()
        """By order, how far its diary goes."""
        self.ends = dict[str, float]()
        """When each order was done."""
        self.done = 0
        """How many of the orders are done, without the probes."""
        self.moved = time.monotonic()
        """When something was written into a diary last."""

    async def run(self) -> Summary:
        async with self.engine.client(), self.site.open():
            try:
                await self.play()
            finally:
                for program in self.programs:
                    program.kill()
            await self.look()
        return self.summary

    def begin(self, name: str, worker: int | None = None) -> Program:
        log = self.folder / f"{name}{'' if worker is None else f'-{worker}'}.log"
        program = Program(name, self.site.urls(worker), log)
        self.programs.append(program)
        return program

    async def play(self) -> None:
        """Let all orders be done, whatever strikes."""
        summary, begun = self.summary, time.monotonic()
        self.told = 0
        self.submitter, self.prober = self.begin("submit"), self.begin("submit")
        self.payment, self.shipping = self.begin("payment"), self.begin("shipping")
        self.workers = [self.begin("worker", number) for number in range(WORKERS)]
        async with anyio.create_task_group() as group:
            group.start_soon(self.watch)
            await self.until("every worker has its share", self.site.is_shared)
            for number, fault in enumerate(summary.faults):
                if number == len(summary.faults) // 2:
                    self.renew()
                await self.until_done(fault.at)
                if fault.is_hasty:
                    await self.hurt(fault)
                else:
                    await self.strike(fault)
            await self.until_done(self.total)
            summary.seconds = time.monotonic() - begun
            summary.gap_s = self.gap(min(self.ends.values()), max(self.ends.values()))
            summary.exits += [await self.submitter.told_all(), await self.prober.told_all()]
            await self.until("the log is applied", self.site.is_applied)
            await self.until("every worker has its share", self.site.is_shared)
            group.cancel_scope.cancel()
        summary.exits += [await worker.end() for worker in self.workers]

    def renew(self) -> None:
        """Kill who submits and who answers charges. The new submitter knows nothing, and begins with the first."""
        self.submitter.kill()
        self.payment.kill()
        self.submitter, self.payment = self.begin("submit"), self.begin("payment")
        self.told = 0

    async def watch(self) -> None:
        """See what is done, have as many submitted as are under way no more, and start again who ends by itself."""
        while True:
            for note in await self.site.notes():
                self.see(note)
            for number, worker in enumerate(self.workers):
                if worker.is_lost:  # as whoever runs workers does
                    self.summary.ended.append(f"{worker.log}: {worker.last_line()}")
                    self.workers[number] = self.begin("worker", number)
            wanted = min(self.total, self.done + max(WINDOW, self.total // 50))
            if wanted > self.told:
                self.told = wanted
                self.submitter.tell(str(wanted))
            await anyio.sleep(LOOK_S)

    def see(self, note: Note) -> None:
        if note.number <= self.progress.get(note.order, 0):
            return
        self.moved = time.monotonic()
        self.progress[note.order] = note.number
        if note.number == DONE:
            self.ends[note.order] = self.moved
            self.done += note.order.startswith("order")

    # What strikes.

    async def strike(self, fault: Fault) -> None:
        """Let it strike, see when all goes on, and put it right; again where a lock was held."""
        while True:
            begun = time.monotonic()
            await self.hurt(fault)
            probes = self.probe()
            if await self.until("all lanes go on", partial(self.reached, probes, BEGUN), self.limit_s(fault)):
                fault.begun_s = time.monotonic() - begun
            if fault.sort in OVERTAKEN:
                await anyio.sleep(max(0.0, begun + 1.5 * self.site.session_s - time.monotonic()))
            await self.heal(fault)
            healed = time.monotonic()
            await self.until("new orders are done", partial(self.reached, probes, DONE))
            ended = max(self.ends[order.id] for order in probes)
            fault.done_s = ended - begun
            fault.gap_s = max(fault.gap_s, self.gap(begun, ended))
            await self.until("every worker has its share", self.site.is_shared)
            fault.whole_s = time.monotonic() - healed
            if fault.begun_s is not None or fault.held_lock == STOPS_MAX:
                return
            fault.held_lock += 1

    def limit_s(self, fault: Fault) -> float | None:
        """How long one stays stopped that may hold the lock of a file, for which all others wait."""
        return 4 * self.site.session_s if fault.sort == "stop" and self.site.has_lock else None

    async def hurt(self, fault: Fault) -> None:
        match fault.sort:
            case "kill":
                self.workers[fault.target].kill()
                self.workers[fault.target] = self.begin("worker", fault.target)
            case "roll":
                self.summary.exits.append(await self.workers[fault.target].end())
                self.workers[fault.target] = self.begin("worker", fault.target)
            case "stop":
                self.workers[fault.target].send(signal.SIGSTOP)
            case sort:
                await self.site.hurt(sort, fault.target)

    async def heal(self, fault: Fault) -> None:
        match fault.sort:
            case "kill" | "roll":  # another was started at once
                pass
            case "stop":
                self.workers[fault.target].send(signal.SIGCONT)
            case sort:
                await self.site.heal(sort, fault.target)

    def probe(self) -> list[Order]:
        """Submit an order for each lane."""
        found, first, number = dict[int, Order](), len(self.probes), 0
        while len(found) < self.site.lanes:
            id = f"probe-{first}-{number}"
            found.setdefault(hash_of(id.encode()) % self.site.lanes, Order(id, first + len(found)))
            number += 1
        probes = list(found.values())
        self.probes += probes
        self.prober.tell(msgspec.json.encode(probes).decode())
        return probes

    # How far it is.

    async def reached(self, some: Sequence[Order], number: int) -> bool:
        return all(self.progress.get(order.id, 0) >= number for order in some)

    async def until_done(self, count: int) -> None:
        """Wait until so many orders are done."""

        async def are_done() -> bool:
            return self.done >= count

        await self.until(f"{count} orders are done", are_done)

    async def until(self, what: str, is_so: Callable[[], Awaitable[bool]], limit_s: float | None = None) -> bool:
        """Wait until something is so, for a time if there is a limit; whether it came so far."""
        since = time.monotonic()
        while not await is_so():
            now = time.monotonic()
            if limit_s is not None and now - since > limit_s:
                return False
            if now - max(since, self.moved) > PATIENCE_S:
                pytest.fail(f"waiting in vain until {what}; {await self.standing()}")
            await anyio.sleep(LOOK_S)
        return True

    async def standing(self) -> str:
        """How things stand, for whoever has to find out why nothing goes on."""
        behind = [id for id, number in self.progress.items() if number < DONE]
        trees = [(await self.engine.get_instance(id)).tree() for id in sorted(behind)[:TREES]]
        return "\n".join(
            [
                f"{self.done} of {self.total} are done, and {len(behind)} begun that are not; logs: {self.folder}",
                *trees,
                *await self.site.standing(),
            ]
        )

    def gap(self, since: float, till: float) -> float:
        """The longest time without any order done."""
        times = [since, *sorted(at for at in self.ends.values() if since < at < till), till]
        return max(after - before for before, after in pairwise(times))

    # What came of it.

    async def look(self) -> None:
        found, after = dict[str, Instance](), None
        while page := await self.engine.instances(limit=500, after=after):
            found.update({one.id: one for one in page})
            after = page[-1].id
        self.summary.weigh([*orders(self.total), *self.probes], found, await self.site.messages())
        gone = {program.pid for program in self.programs if program.name == "worker"}
        self.summary.left_over = await self.site.left_over(gone)
        for log in sorted(self.folder.glob("*.log")):
            self.summary.refused += [line for line in log.read_text().splitlines() if REFUSED in line]


def play(chaos: Chaos) -> Summary:
    """Let it happen, and tell what came of it."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of every broker that is down, all the time
    summary = anyio.run(chaos.run)
    print(f"\n{summary}", *summary.faults, *summary.ended, sep="\n  ")
    return summary
