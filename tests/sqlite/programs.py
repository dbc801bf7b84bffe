"""The processes of the tests: `python -m tests.sqlite.programs worker URL`; or `slow`, `idle`, `reader`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from dagger import Dagger
from tests.sqlite.shop import bundles, orders, parcels

ROOT = Path(__file__).resolve().parents[2]
IDLE_S = 3.0
"""For how long a process is watched that has nothing to do, in seconds."""


def engine_at(url: str, name: str) -> Dagger:
    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncGenerator[str]:
        yield name

    engine = Dagger(url, lifespan=lifespan)
    engine.register(orders)
    engine.register(bundles)
    return engine


def worker(url: str) -> None:
    """Works."""
    engine_at(url, "worker").main()


def slow(url: str) -> None:
    """Works, and no task ends."""
    engine_at(url, "slow").main()


def idle(url: str) -> None:
    """Says which share of a while it was busy in, of an engine that has nothing to do."""

    async def run() -> None:
        async with engine_at(url, "idle"):
            await anyio.sleep(1)  # what is to be done once is done
            begun, time_begun = time.process_time(), time.monotonic()
            await anyio.sleep(IDLE_S)
            share = (time.process_time() - begun) / (time.monotonic() - time_begun)
        sys.stdout.write(f"{share}\n")

    anyio.run(run)


def reader(url: str) -> None:
    """Reads a message, says so, and never finishes with it."""

    async def run() -> None:
        async for message in engine_at(url, "reader").subscribe(parcels, group="test"):
            sys.stdout.write(f"{message.id}\n")
            sys.stdout.flush()
            await anyio.sleep_forever()

    anyio.run(run)


PROGRAMS: dict[str, Callable[[str], None]] = {"worker": worker, "slow": slow, "idle": idle, "reader": reader}


@contextmanager
def started(name: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """A process, which is ended at the end of the block."""
    command = [sys.executable, "-m", __name__, name, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # else one that was stopped would never hear of it


if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2])
