"""A submission that is still on its way to the log is not taken for one that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from dagger.engine.ports import Entry
from tests.sqlite.shop import Order, Shop, in_loop, orders


@pytest.mark.parametrize("many", [False, True], ids=["start", "start_all"])
@in_loop
async def test_who_polls_meanwhile_loses_nothing(tmp_path: Path, many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path)
    client = Dagger(shop.url)
    client.register(orders)
    worker = Dagger(shop.url)
    worker.register(orders)
    async with worker, client.client():
        append = client.backend.log.append

        async def looked_at(entries: Sequence[Entry]) -> None:
            client._missing_checked_at = 0.0
            await client._poll(["o-1"])
            await append(entries)

        monkeypatch.setattr(client.backend.log, "append", looked_at)
        order = Order("o-1")
        run = (await client.start_all(orders, [order]))[0] if many else await client.start(orders, order)
        monkeypatch.undo()
        with anyio.fail_after(60):
            await worker.stop("o-1")
            assert (await client.wait(run)).status is Status.STOPPED
