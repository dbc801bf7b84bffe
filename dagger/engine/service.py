"""A process that is a worker and nothing else, until it is told to leave."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import anyio

from dagger.engine.garbage import seldom_collected
from dagger.errors import DaggerError

logger: Final = logging.getLogger("dagger")


async def serve(work: AbstractAsyncContextManager[Any], templates: Callable[[], str]) -> None:
    """Work until SIGTERM or SIGINT. `templates` gives what is worked on, in words."""
    starting, begun, told = anyio.CancelScope(), anyio.Event(), anyio.Event()
    failure: Exception | None = None

    async def listen() -> None:
        received = await anext(signals)
        logger.info("received %s: leaving", received.name)
        told.set()
        if not begun.is_set():  # nothing is in flight, and what it waits for may be away
            starting.cancel()

    async def work_on() -> None:
        async with work:
            with seldom_collected():
                begun.set()
                logger.info("working on %s", templates())
                await told.wait()

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            try:
                with starting:
                    await work_on()
            except Exception as error:
                failure = error  # as it is, and not in a group
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not told.is_set():
        raise DaggerError("the worker has ended, and nobody has told it to")
