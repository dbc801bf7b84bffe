"""The stages on which each scenario is played. The test of Kafka plays all scenarios in one worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import Template
from dagger.testing import TestEngine, explore_sync
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver
from dagger.testing.contract.harness import LIMIT_S
from tests.contract.storages import OnSqlite
from tests.scenarios.stage import Play, Scenario, Stage


@pytest.fixture(params=["memory", "faults", "sqlite"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scenario on the stage of this test."""

    def on_sqlite(template: Template[Any, Any], scenario: Scenario) -> None:
        async def played() -> None:
            driver = Driver(OnSqlite(tmp_path).backend(), VirtualClock())
            driver.register(template)
            with anyio.fail_after(LIMIT_S):
                async with driver.working() as engine:
                    await scenario(Stage(engine))

        anyio.run(played)

    kinds: dict[str, Play] = {"memory": in_memory, "faults": under_faults, "sqlite": on_sqlite}
    return kinds[request.param]


def in_memory(template: Template[Any, Any], scenario: Scenario) -> None:
    """Without a fault."""

    async def played() -> None:
        async with TestEngine() as engine:
            engine.register(template)
            await scenario(Stage(engine))

    anyio.run(played)


def under_faults(template: Template[Any, Any], scenario: Scenario) -> None:
    """Again and again, each time with one fault at another place."""

    async def played(engine: TestEngine) -> None:
        await scenario(Stage(engine))

    found = explore_sync(template, played)
    assert all(found.runs.values()), found
