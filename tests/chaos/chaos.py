"""Lets orders run through workers that are killed and stopped, and counts what came of it.

The seed gives the schedule: which sort of fault strikes which worker, one after the other. For each, a share of the
orders is submitted, and it strikes when a quarter of the share is done, never by the clock: so there is always work
under way. Times are measured and told, and decide nothing.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from typing_extensions import override

from dagger import Dagger, Instance, Status
from tests.chaos.workflow import PUBLISHED, chaos_order, diary, expected, orders

ROOT: Final = Path(__file__).resolve().parents[2]
WORKERS: Final = 3
PARTITIONS: Final = 16
LEASE_S: Final = 1.0
OVERTAKE_S: Final = 4 * LEASE_S
"""How long one stays stopped that is not overtaken: it holds the lock of the file, and all the others wait for it."""
STOPS_MAX: Final = 10
"""How often one is stopped until it is overtaken, for one fault."""
PATIENCE_S: Final = 240.0
"""A failure limit: for how long nothing may go on."""


@dataclass
class Fault:
    """What strikes a worker, and how long it took until all was well again."""

    sort: str
    """`kill` or `stop`."""
    worker: int
    at: int
    """When so many orders are done."""
    submitted: int
    """How many are submitted by then."""
    taken_over_s: float | None = None
    """Until others owned all that it had, in seconds; None if nobody could."""
    held_lock: int = 0
    """How often it was stopped while it held the lock of the file, so that nobody could take over."""
    next_done_s: float = 0.0
    """Until the next order was done: since the kill, or since the stopped worker was continued."""

    @override
    def __str__(self) -> str:
        owned = "never taken over" if self.taken_over_s is None else f"taken over after {self.taken_over_s:.2f} s"
        held = f"{self.held_lock} times with the lock held, " if self.held_lock else ""
        return (
            f"{self.sort} worker {self.worker} at {self.at:,}: {held}{owned}, next order after {self.next_done_s:.2f} s"
        )


def schedule_of(seed: int, total: int, kills: int, stops: int) -> list[Fault]:
    """The faults of a seed; behind the last comes one more share of the orders."""
    chance = random.Random(seed)
    sorts = ["kill"] * kills + ["stop"] * stops
    chance.shuffle(sorts)
    share = total / (len(sorts) + 1)
    return [
        Fault(sort, chance.randrange(WORKERS), int(share * (number + 0.25)), int(share * (number + 1)))
        for number, sort in enumerate(sorts)
    ]


@dataclass
class Summary:
    """What came of the chaos."""

    total: int
    seed: int
    faults: list[Fault]
    completed: int = 0
    wrong: list[str] = field(default_factory=list[str])
    """Orders that did not end as they must."""
    twice: list[str] = field(default_factory=list[str])
    """Ids under which more than one message was published by the workflows."""
    missing: int = 0
    """How many messages there are too few."""
    disorder: list[str] = field(default_factory=list[str])
    """Orders whose diary is not in order."""
    left_over: list[str] = field(default_factory=list[str])
    """What is unfinished, or still owned by somebody who is gone."""
    exits: list[int] = field(default_factory=list[int])
    """With what the workers ended that were asked to."""
    seconds: float = 0.0

    def of(self, sort: str) -> list[Fault]:
        """The faults of a sort."""
        return [fault for fault in self.faults if fault.sort == sort]

    @override
    def __str__(self) -> str:
        kills, stops = self.of("kill"), self.of("stop")
        overtaken = [fault.taken_over_s for fault in kills if fault.taken_over_s is not None]
        return (
            f"chaos, seed {self.seed}: {self.completed:,} of {self.total:,} completed as they must, "
            f"{len(self.wrong)} not; {len(self.twice)} published twice, {self.missing} missing, "
            f"{len(self.disorder)} out of order, {len(self.left_over)} left over; "
            f"{self.total / self.seconds:,.0f} orders a second in {self.seconds:.0f} s\n"
            f"  {len(kills)} SIGKILL: {_told(overtaken)} until others had taken over, "
            f"{_told([fault.next_done_s for fault in kills])} until the next order was done\n"
            f"  {sum(fault.taken_over_s is not None for fault in stops)} SIGSTOP until others had taken over, "
            f"{sum(fault.held_lock for fault in stops)} more with the lock of the file held: "
            f"{_told([fault.next_done_s for fault in stops])} from SIGCONT until the next order was done"
        )


def _told(times: list[float]) -> str:
    return f"median {sorted(times)[len(times) // 2]:.2f} s, longest {max(times):.2f} s" if times else "never"


class Program:
    """A program in a process."""

    def __init__(self, name: str, *more: str) -> None:
        self.name = name
        command = [sys.executable, "-m", "tests.chaos.programs", name, *more]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def tell(self, line: str) -> None:
        """Say a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


class Chaos:
    """One run."""

    def __init__(self, path: Path, total: int, kills: int, stops: int, seed: int) -> None:
        self.path = path
        self.url = f"sqlite:///{path}?lease={LEASE_S:g}s&partitions={PARTITIONS}"
        self.summary = Summary(total, seed, schedule_of(seed, total, kills, stops))
        self.engine = Dagger(self.url)
        self.engine.register(chaos_order)
        self.programs = list[Program]()
        self.submitted = 0

    async def run(self) -> Summary:
        try:
            await self.done()  # which makes the file
            await self.play()
        finally:
            for program in self.programs:
                program.kill()
        await self.look()
        await self.engine.aclose()
        return self.summary

    def begin(self, name: str, *more: str) -> Program:
        program = Program(name, self.url, *more)
        self.programs.append(program)
        return program

    async def play(self) -> None:
        """Let all orders be done, whatever strikes."""
        summary, begun = self.summary, time.monotonic()
        submitter, payment, _ = self.begin("submit"), self.begin("payment"), self.begin("shipping")
        self.workers = [self.begin("worker") for _ in range(WORKERS)]
        for number, fault in enumerate(summary.faults):
            await self.all_at_work()
            submitter.tell(str(fault.submitted))
            self.submitted = fault.submitted
            if number == len(summary.faults) // 2:
                submitter.kill()
                payment.kill()
                submitter, payment = self.begin("submit"), self.begin("payment")
                submitter.tell(str(fault.submitted))
            await self.until_done(fault.at)
            await (self.kill(fault) if fault.sort == "kill" else self.stop(fault))
        submitter.tell(str(summary.total))
        self.submitted = summary.total
        await self.until_done(summary.total)
        summary.seconds = time.monotonic() - begun
        submitter.process.communicate(timeout=PATIENCE_S)
        assert submitter.process.returncode == 0
        await self.until("SELECT count(*) FROM log", is_now=(0,))
        await self.all_at_work()
        summary.exits = [worker.end() for worker in self.workers]

    # What strikes.

    async def kill(self, fault: Fault) -> None:
        worker, begun = self.workers[fault.worker], time.monotonic()
        worker.kill()
        done = await self.done()
        self.workers[fault.worker] = self.begin("worker")

        async def next_done() -> None:
            await self.until_done(done + 1)
            fault.next_done_s = time.monotonic() - begun

        async with anyio.create_task_group() as group:
            group.start_soon(next_done)
            assert await self.is_overtaken(worker, PATIENCE_S), "nobody takes over from the dead"
            fault.taken_over_s = time.monotonic() - begun

    async def stop(self, fault: Fault) -> None:
        """Stop one until others have taken over. One that holds the lock is continued, and stopped again."""
        worker = self.workers[fault.worker]
        while fault.taken_over_s is None and fault.held_lock < STOPS_MAX:
            await self.all_at_work()
            begun = time.monotonic()
            worker.send(signal.SIGSTOP)
            if await self.is_overtaken(worker, OVERTAKE_S):
                fault.taken_over_s = time.monotonic() - begun
            else:
                fault.held_lock += 1
            done, begun = await self.done(), time.monotonic()
            worker.send(signal.SIGCONT)
            await self.until_done(done + 1)
            fault.next_done_s = time.monotonic() - begun

    async def is_overtaken(self, worker: Program, within_s: float) -> bool:
        """Wait until nothing is owned by a worker, nor is it known any more; whether it came so far."""
        with anyio.move_on_after(within_s):
            await self.until("SELECT count(*) FROM peer WHERE pid = ?", worker.pid, is_now=(0,))
            return True
        return False

    # How far it is.

    async def done(self) -> int:
        return await self.engine.count(status=Status.COMPLETED)

    async def until_done(self, count: int) -> None:
        """Wait until so many orders are done, or all that are submitted."""
        before, since = -1, time.monotonic()
        while (now := await self.done()) < min(count, self.submitted):
            if now != before:
                before, since = now, time.monotonic()
            assert time.monotonic() - since < PATIENCE_S, f"stands still at {now} of {self.summary.total}"
            await anyio.sleep(0.005)

    async def all_at_work(self) -> None:
        """Wait until every worker has its share: one that has only just been started knows no SIGTERM yet."""
        await self.until(
            "SELECT count(DISTINCT owner), count(owner) FROM lease WHERE team = ''", is_now=(WORKERS, PARTITIONS)
        )

    async def until(self, question: str, *values: Any, is_now: tuple[int, ...]) -> None:
        """Wait until a question to the file has this answer."""
        since = time.monotonic()
        with closing(sqlite3.connect(self.path)) as connection:
            while (found := connection.execute(question, values).fetchone()) != is_now:
                assert time.monotonic() - since < PATIENCE_S, f"{question}: {found} for too long"
                await anyio.sleep(0.005)

    # What came of it.

    async def look(self) -> None:
        summary = self.summary
        found = await self.instances()
        for order in orders(summary.total):
            instance = found.pop(order.id, None)
            if instance is None or instance.status is not Status.COMPLETED or instance.result != expected(order):
                summary.wrong.append(f"{order.id}: {instance and instance.tree()}")
        summary.wrong += found
        summary.completed = summary.total - len(summary.wrong)
        with closing(sqlite3.connect(self.path)) as connection:
            self.look_at_topics(connection)
            self.look_for_leavings(connection)

    async def instances(self) -> dict[str, Instance]:
        found, after = dict[str, Instance](), None
        while page := await self.engine.instances(limit=500, after=after):
            found.update({one.id: one for one in page})
            after = page[-1].id
        return found

    def look_at_topics(self, connection: sqlite3.Connection) -> None:
        """The messages as they lie there, with their headers."""
        summary = self.summary
        ids = Counter[tuple[str, str]]()
        entries = defaultdict[str, list[int]](list)
        rows = connection.execute("SELECT topic, payload, headers FROM message ORDER BY topic, partition, offset")
        for topic, payload, headers in rows:
            if topic in PUBLISHED:
                ids[topic, _HEADERS.decode(headers)["dagger-id"]] += 1
            if topic == diary.name:
                note = diary.wire.decode(payload)
                entries[note.order].append(note.number)
        summary.twice = [f"{topic}: {id}" for (topic, id), count in ids.items() if count > 1]
        summary.missing = sum(PUBLISHED.values()) * summary.total - len(ids)
        summary.disorder = [id for id, numbers in entries.items() if numbers != [1, 2, 3]]

    def look_for_leavings(self, connection: sqlite3.Connection) -> None:
        """What is unfinished, and what those who are gone have left."""
        for what, question in _LEAVINGS.items():
            self.summary.left_over += [f"{what} {row}" for row in connection.execute(question)]
        known = {pid for (pid,) in connection.execute("SELECT pid FROM peer")}
        workers = {program.pid for program in self.programs if program.name == "worker"}
        self.summary.left_over += [f"worker {pid} is still known" for pid in known & workers]


_HEADERS: Final = msgspec.json.Decoder(dict[str, str])
_LEAVINGS: Final = {
    "log": "SELECT partition, offset FROM log",
    "running or waiting": "SELECT key FROM record WHERE busy OR due IS NOT NULL",
    "owned partition": "SELECT partition FROM lease WHERE team = '' AND owner IS NOT NULL",
    "member": "SELECT peer FROM member WHERE team = ''",
    "dead letter": "SELECT topic, partition, offset FROM message WHERE topic LIKE '%dead-letter%'",
}


def check(summary: Summary) -> None:
    """What must hold after any chaos."""
    assert summary.wrong == []
    assert summary.completed == summary.total
    assert summary.twice == []
    assert summary.missing == 0
    assert summary.disorder == []
    assert summary.left_over == []
    assert summary.exits == [0] * WORKERS
