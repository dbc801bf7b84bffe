"""A process that only runs a worker, until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

import anyio

from dagger.engine.process.gc_tuning import tuned_gc
from dagger.engine.process.signals import SignalHandler
from dagger.engine.process.watchdog import Watchdog
from dagger.errors import EngineClosed, RequestError

logger: Final = logging.getLogger("dagger")


def serve(work: AbstractAsyncContextManager[Any], templates: Callable[[], str], applying: Callable[[], str]) -> None:
    """Work until SIGTERM or SIGINT. `templates` says what is worked on, `applying` what is being applied, in words.

    Raises RequestError inside an event loop and outside the main thread, EngineClosed if code that runs beside it ends
    it, and whatever the work raises.
    """
    _check_place()
    installed = SignalHandler.installed()
    service = WorkerProcess(work, templates, applying, installed or SignalHandler())
    try:
        anyio.run(service.run)
    except (asyncio.CancelledError, SystemExit, RuntimeError) as error:
        if service.is_shutting_down or not service.was_ended_by_others(error):
            raise
        what = f"has called sys.exit({error.code})" if isinstance(error, SystemExit) else "has ended it"
        raise EngineClosed(f"the worker was not stopped by a signal: code in its event loop {what}") from error
    finally:
        service.signals.release()
        if installed is None:
            service.signals.end()


class WorkerProcess:
    """One run of a worker."""

    def __init__(
        self,
        work: AbstractAsyncContextManager[Any],
        templates: Callable[[], str],
        applying: Callable[[], str],
        signals: SignalHandler,
    ) -> None:
        self._work = work
        self._templates = templates
        self._applying = applying
        self.signals = signals
        self._has_begun = False
        self._has_ended = False

    @property
    def is_shutting_down(self) -> bool:
        """Whether a signal has asked it to stop."""
        return self.signals.received is not None

    def was_ended_by_others(self, error: BaseException) -> bool:
        """Whether an error is not a failure of the work but its end by others."""
        return isinstance(error, asyncio.CancelledError | SystemExit) or not self._has_ended

    async def run(self) -> None:
        """Work until a signal comes."""
        loop = asyncio.get_running_loop()
        starting, stopping = anyio.CancelScope(), anyio.Event()

        def leave() -> None:
            if stopping.is_set() or self.signals.received is None:
                return
            logger.info("received %s: leaving", self.signals.received.name)
            stopping.set()
            if not self._has_begun:  # nothing is in flight, and what it waits for may be unavailable
                starting.cancel()

        self.signals.listen(partial(loop.call_soon_threadsafe, leave))
        try:
            with starting:
                await self._until(stopping)
        except Exception as error:
            self._has_ended = True
            if self._has_begun or not stopping.is_set():
                raise
            logger.warning("while leaving: %s", error)
        finally:
            self.signals.release()
        if not stopping.is_set():
            raise EngineClosed("the worker was ended by code that runs in its event loop, and not by a signal")

    async def _until(self, stopping: anyio.Event) -> None:
        async with self._work:
            with tuned_gc(), Watchdog(self._applying).watching():
                self._has_begun = True
                self.signals.begin()
                logger.info("working on %s", self._templates())
                await stopping.wait()


def _check_place() -> None:
    """Raises RequestError where a process cannot be a worker only."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            return
        raise RequestError(
            "main() leaves at SIGTERM, which Python gives to the main thread only, and this is another one; call it "
            "there, or be a worker here by `async with engine:` inside of asyncio.run(...)"
        ) from None
    raise RequestError("main() runs an event loop, and here is one already; use `async with engine:` instead")
