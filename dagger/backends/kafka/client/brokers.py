"""Which brokers answer: what all clients of one process know of them together.

aiokafka comes to one broker after the other, and gives each its whole time limit: one that takes connections and never
answers holds up everything. Here several are tried at the same time, and the first that answers is taken. Of a
broker that owes an answer for a while, the others are asked: once they no longer count it among the living, all that
was asked of it is given up at once, and asked of whoever has taken over. So a broker that hangs costs what the cluster
needs to notice it, and not more.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from aiokafka import errors

T = TypeVar("T")

logger: Final = logging.getLogger("dagger")

HEAD_START_S: Final = 0.5
"""How long a server is waited for before the next is tried beside it, in seconds."""
REACH_S: Final = 8.0
"""How long servers are tried until it is given up, in seconds."""
SLOW_S: Final = 1.0
"""After how long without an answer the others are asked about a broker, and preferred to it, in seconds."""
WATCH_S: Final = 0.5
"""How often is looked who owes an answer, in seconds."""

Server = tuple[str, int]
"""A host and a port."""


class Asker(Protocol):
    """A client of the cluster."""

    async def living(self) -> Sequence[int]:
        """The brokers that the cluster counts among the living; none if nobody says."""
        ...

    def drop(self, broker: int) -> None:
        """Give up all that was asked of a broker."""
        ...


class Brokers:
    """The servers by which the cluster is reached, and who of its brokers owes an answer."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self._servers = list(servers)
        self._last: Server | None = None
        self._learned: list[Server] = []
        self._asked: dict[int, tuple[int, float]] = {}
        self._count = 0
        self.refused: Exception | None = None
        """Why the last connection could not be made; None if it could."""
        self.clients: set[Asker] = set()
        """Those of this process that are in use."""

    # Reaching the cluster.

    @property
    def servers(self) -> list[Server]:
        """All by which it may be reached: first who answered last, then those of the URL, then those learned of."""
        first = [self._last] if self._last is not None else []
        return list(dict.fromkeys([*first, *self._servers, *self._learned]))

    def learn(self, servers: Iterable[Server]) -> None:
        """These are brokers of the cluster."""
        self._learned = list(servers)

    async def reach(self, call: Callable[[Server], Awaitable[T]]) -> T:
        """What the first gives that answers. Raises KafkaConnectionError with the reason of each, if none does."""
        failures = dict[Server, BaseException]()
        tries = dict[asyncio.Future[T], Server]()
        try:
            async with asyncio.timeout(REACH_S):
                left = self.servers
                while left or tries:
                    if left:
                        server = left.pop(0)
                        tries[asyncio.ensure_future(call(server))] = server
                    done, _ = await asyncio.wait(
                        tries, timeout=HEAD_START_S if left else None, return_when=asyncio.FIRST_COMPLETED
                    )
                    for one in done:
                        server = tries.pop(one)
                        if one.exception() is None:
                            self._last = server
                            return one.result()
                        failures[server] = one.exception() or OSError()
        except TimeoutError:
            failures |= dict.fromkeys(tries.values(), TimeoutError(f"no answer within {REACH_S:g} s"))
        finally:
            for one in tries:
                one.cancel()
            if tries:
                await asyncio.wait(tries)
        raise Unreached(failures)

    # Who owes an answer.

    def asked(self, broker: int) -> int:
        """Something is asked of a broker; gives by what number it is answered."""
        self._count += 1
        self._asked[self._count] = broker, time.monotonic()
        return self._count

    def answered(self, number: int) -> None:
        """It is answered, or given up."""
        del self._asked[number]

    @property
    def slow(self) -> set[int]:
        """The brokers that owe an answer for a while."""
        since = time.monotonic() - SLOW_S
        return {broker for broker, asked in self._asked.values() if asked < since}

    def sorted(self, brokers: Iterable[int]) -> list[int]:
        """In any order, but those that owe an answer behind the others."""
        slow, found = self.slow, list(brokers)
        random.shuffle(found)
        return sorted(found, key=lambda broker: broker in slow)

    async def watch(self, asker: Asker) -> None:
        """Until it is cancelled: give up what was asked of brokers that the others no longer count among the living."""
        given_up = set[int]()
        while True:
            await asyncio.sleep(WATCH_S)
            slow = self.slow
            if not slow:
                continue
            living = await asker.living()
            given_up.difference_update(living)
            for broker in slow.difference(living) if living else ():
                if broker not in given_up:
                    logger.warning("broker %d does not answer, and the others have given it up", broker)
                    given_up.add(broker)
                for client in list(self.clients):
                    client.drop(broker)


class Unreached(errors.KafkaConnectionError):
    """No server answers as a broker does."""

    def __init__(self, failures: dict[Server, BaseException]) -> None:
        super().__init__("; ".join(f"{host}:{port}: {_said(error)}" for (host, port), error in failures.items()))
        self.failures = failures


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
