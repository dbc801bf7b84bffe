"""Lets orders run through workers that are killed and stopped, and counts what came of it.

Faults come when so many orders are done, never by the clock: the seed says which worker, and in which order kills and
stops come. Times are measured and told, and decide nothing.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
from typing_extensions import override

from dagger import Dagger, Instance, Status
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from tests.chaos.workflow import chaos_order, diary, expected, orders

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 3
LEASE_S = 1.0
PATIENCE_S = 240.0
"""A failure limit: for how long nothing may be completed."""


@dataclass
class Summary:
    """What came of the chaos."""

    total: int
    seed: int
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
    """What the dead still own."""
    exits: list[int] = field(default_factory=list[int])
    """With what the workers ended that were asked to."""
    kills: list[float] = field(default_factory=list[float])
    """For each kill, the seconds until others owned what the dead one had."""
    stops: list[float] = field(default_factory=list[float])
    """For each stop, the seconds from when it was continued until the next order was done."""
    seconds: float = 0.0

    @override
    def __str__(self) -> str:
        def told(times: list[float]) -> str:
            return f"{len(times)} (median {sorted(times)[len(times) // 2]:.2f} s, longest {max(times):.2f} s)"

        return (
            f"chaos, seed {self.seed}: {self.completed:,} of {self.total:,} completed as they must, "
            f"{len(self.wrong)} not; {len(self.twice)} published twice, {self.missing} missing, "
            f"{len(self.disorder)} out of order; {self.total / self.seconds:,.0f} orders a second\n"
            f"  SIGKILL {told(self.kills)} until others had taken over\n"
            f"  SIGSTOP past the lease {told(self.stops)} from its end until the next order was done"
        )


class Program:
    """A program in a process."""

    def __init__(self, name: str, *more: str) -> None:
        command = [sys.executable, "-m", "tests.chaos.programs", name, *more]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Chaos:
    """One run."""

    def __init__(self, path: Path, total: int, kills: int, stops: int, seed: int) -> None:
        self.path = path
        self.url = f"sqlite:///{path}?lease={LEASE_S:g}s"
        self.random = Random(seed)
        self.faults = ["kill"] * kills + ["stop"] * stops
        self.random.shuffle(self.faults)
        self.summary = Summary(total, seed)
        self.backend = SqliteBackend(options_of(self.url))
        self.engine = Dagger(backend=self.backend)
        self.engine.register(chaos_order)
        self.workers = list[Program]()
        self.others = list[Program]()

    async def run(self) -> Summary:
        summary, begun = self.summary, time.monotonic()
        await self.done()  # which makes the file
        try:
            self.others = [Program("services", self.url)]
            self.workers = [Program("worker", self.url) for _ in range(WORKERS)]
            submitter = Program("submit", self.url, str(summary.total))
            self.others.append(submitter)
            for number, fault in enumerate(self.faults, start=1):
                await self.until(summary.total * number // (len(self.faults) + 2))
                if number == len(self.faults) // 2:
                    submitter.kill()
                    self.others.append(Program("submit", self.url, str(summary.total)))
                await self.all_at_work()
                await (self.kill() if fault == "kill" else self.stop())
            await self.until(summary.total)
            summary.seconds = time.monotonic() - begun
            await self.all_at_work()
            summary.exits = [worker.end() for worker in self.workers]
            self.workers = []
        finally:
            for program in (*self.workers, *self.others):
                program.kill()
        await self.look()
        await self.engine.aclose()
        return summary

    async def done(self) -> int:
        return await self.engine.count(status=Status.COMPLETED)

    async def until(self, count: int) -> None:
        """Wait until so many orders are done."""
        before, since = -1, time.monotonic()
        while (now := await self.done()) < count:
            if now != before:
                before, since = now, time.monotonic()
            assert time.monotonic() - since < PATIENCE_S, f"stands still at {now} of {self.summary.total}"
            await anyio.sleep(0.01)

    async def all_at_work(self) -> None:
        """Wait until every worker has its share: one that has only just been started knows no SIGTERM yet."""
        connection = sqlite3.connect(self.path)
        since = time.monotonic()
        while True:
            owners = connection.execute("SELECT count(DISTINCT owner), count(owner) FROM lease WHERE team = ''")
            if owners.fetchone() == (WORKERS, 16):
                break
            assert time.monotonic() - since < PATIENCE_S, "the workers do not share the work"
            await anyio.sleep(0.05)
        connection.close()

    async def kill(self) -> None:
        worker = self.workers.pop(self.random.randrange(WORKERS))
        worker.kill()
        begun = time.monotonic()
        self.workers.append(Program("worker", self.url))
        await self.taken_over(worker.process.pid)
        self.summary.kills.append(time.monotonic() - begun)
        await self.until(min(self.summary.total, await self.done() + 1))

    async def stop(self) -> None:
        """Stop a worker until others have taken over, or all wait for the lock that it holds."""
        worker = self.random.choice(self.workers)
        worker.send(signal.SIGSTOP)
        await anyio.sleep(2 * LEASE_S)
        worker.send(signal.SIGCONT)
        begun = time.monotonic()
        await self.until(min(self.summary.total, await self.done() + 1))
        self.summary.stops.append(time.monotonic() - begun)

    async def taken_over(self, pid: int) -> None:
        """Wait until nothing is owned by a process that is dead."""
        connection = sqlite3.connect(self.path)
        owned = "SELECT 1 FROM lease JOIN peer ON lease.owner = peer.id WHERE pid = ?"
        since = time.monotonic()
        while connection.execute(owned, (pid,)).fetchone():
            assert time.monotonic() - since < PATIENCE_S, "nobody takes over from the dead"
            await anyio.sleep(0.002)
        connection.close()

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
        connection = sqlite3.connect(self.path)
        self.look_at_topics(connection)
        owned = connection.execute("SELECT team, partition FROM lease WHERE owner IS NOT NULL").fetchall()
        mine = self.backend.hub.peers.id
        summary.left_over = [f"{team}/{partition}" for team, partition in owned if not team]
        summary.left_over += [
            id for (id,) in connection.execute("SELECT peer FROM member WHERE team = ''") if id != mine
        ]
        connection.close()

    async def instances(self) -> dict[str, Instance]:
        found, after = dict[str, Instance](), None
        while page := await self.engine.instances(limit=500, after=after):
            found.update({one.id: one for one in page})
            after = page[-1].id
        return found

    def look_at_topics(self, connection: sqlite3.Connection) -> None:
        ids = Counter[str]()
        entries = defaultdict[str, list[int]](list)
        rows = connection.execute("SELECT topic, payload, headers FROM message ORDER BY topic, partition, offset")
        for topic, payload, headers in rows:
            if topic in ("CHAOS_CHARGE", "CHAOS_SHIP", "CHAOS_DIARY"):  # what workflows publish
                ids[headers] += 1
            if topic == diary.name:
                note = diary.wire.decode(payload)
                entries[note.order].append(note.number)
        self.summary.twice = [id for id, count in ids.items() if count > 1]
        self.summary.missing = 5 * self.summary.total - len(ids)
        self.summary.disorder = [id for id, numbers in entries.items() if numbers != [1, 2, 3]]


def check(summary: Summary) -> None:
    """What must hold after any chaos."""
    assert summary.wrong == []
    assert summary.completed == summary.total
    assert summary.twice == []
    assert summary.missing == 0
    assert summary.disorder == []
    assert summary.left_over == []
    assert summary.exits == [0] * WORKERS
