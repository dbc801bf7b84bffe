"""A worker that is told to leave amid its start: `python -m tests.kafka.starting BROKER STORE KIND hangs|goes`.

It sends itself SIGTERM when it is about to send the first request of that kind. With `hangs` no broker answers anything
from there on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from aiokafka.conn import AIOKafkaConnection

from dagger import Dagger
from tests.kafka.programs import exiting

SIGNALLED = "signalled"


def watch(kind: str, hangs: bool) -> None:
    """See what is sent by every client of the process."""
    plain, seen = AIOKafkaConnection.send, set[str]()

    def send(self: AIOKafkaConnection, request: Any, **more: Any) -> Any:
        name = type(request).__name__
        if name not in seen and SIGNALLED not in seen:
            seen.add(name)
            if name == kind:
                seen.add(SIGNALLED)
                print(SIGNALLED, flush=True)  # noqa: T201  # the test waits for it
                os.kill(os.getpid(), signal.SIGTERM)
        if SIGNALLED in seen and hangs:
            return asyncio.get_running_loop().create_future()
        return plain(self, request, **more)

    AIOKafkaConnection.send = send  # type: ignore[method-assign]  # in this process, for all clients


def main(broker: str, store: str, kind: str, mode: str) -> None:
    """Work until it is told to leave."""
    watch(kind, mode == "hangs")
    engine = Dagger(broker, store)
    engine.register(exiting)
    engine.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
