"""Event loops: a backend is open in one of them at a time, and in one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AsyncExitStack

import anyio
import pytest

from dagger.engine.ports import Append, LogRecord
from dagger.errors import BackendError
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import LIMIT_S, Harness, note
from dagger.testing.contract.storage import Storage

NOTES = "LOOPS"


class LoopContract(ContractCase):
    """The contract of those who call `asyncio.run` more than once, or have a loop in several threads."""

    def test_one_backend_works_in_one_loop_after_the_other(self, storage: Storage) -> None:
        backend = storage.backend()
        backend.log.consume([NOTES])

        async def works(text: bytes) -> None:
            async with backend.open():
                async with backend.log.join():
                    harness = Harness(backend)
                    await backend.log.append([Append(0, text), note(NOTES, "k", text)])
                    polled = await harness.take(2)
                    assert [one.data if isinstance(one, LogRecord) else one.payload for one in polled] == [text] * 2
                    await harness.commit(polled)
                async with backend.log.reader(NOTES, "readers") as reader:
                    assert [message.payload for message in await reader.read(10)][-1] == text

        for text in (b"1", b"2", b"3"):
            asyncio.run(_limited(works(text)))

    def test_what_is_left_open_ends_with_its_loop(self, storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
        """And nothing is logged of that: who calls `asyncio.run(engine.start(...))` has closed nothing."""
        backend = storage.backend()
        left = AsyncExitStack()

        async def leaves() -> None:
            await left.enter_async_context(backend.open())
            await backend.log.append([Append(0, b"record")])

        async def closes() -> None:
            await left.aclose()
            async with backend.open(), backend.log.join():
                assert [record.data for record in await Harness(backend).records(1)] == [b"record"]

        asyncio.run(_limited(leaves()))
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
        asyncio.run(_limited(closes()))

    def test_a_second_loop_beside_the_first_is_refused(self, storage: Storage) -> None:
        """And the first goes on."""
        backend = storage.backend()

        async def opens() -> None:
            async with backend.open():
                pass

        async def holds() -> None:
            async with backend.open(), backend.log.join():
                with pytest.raises(BackendError, match="is open in another event loop"):
                    await asyncio.to_thread(asyncio.run, opens())
                harness = Harness(backend)
                await backend.log.append([Append(0, b"record")])
                assert [record.data for record in await harness.records(1)] == [b"record"]

        asyncio.run(_limited(holds()))
        asyncio.run(_limited(opens()))


async def _limited(test: Awaitable[None]) -> None:
    with anyio.fail_after(LIMIT_S):
        await test
