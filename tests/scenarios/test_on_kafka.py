"""All scenarios on Kafka, one after the other, in one worker: to join a group takes longer than to play them all."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import anyio
import pytest

from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver
from tests.kafka.stage import beside_sqlite
from tests.scenarios.stage import SCENARIOS, Stage
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

LIMIT_S = 120.0
"""After so many seconds the test has failed. Nothing else depends on it."""


def test_every_scenario_on_kafka(kafka: KafkaCluster, tmp_path: Path) -> None:
    here = Path(__file__)
    for file in here.parent.glob("test_*.py"):
        if file != here:
            import_module(f"tests.scenarios.{file.stem}")
    assert SCENARIOS
    driver = Driver(beside_sqlite(kafka.bootstrap, tmp_path).backend(), VirtualClock())
    for template, _ in SCENARIOS.values():
        driver.register(template)

    async def owns_all() -> bool:
        return len(driver.owned) == driver.backend.log.partitions

    async def played() -> None:
        with anyio.fail_after(LIMIT_S):
            async with driver.working() as engine:
                await engine.until(owns_all)
                stage = Stage(engine)
                for name, (_, scenario) in SCENARIOS.items():
                    try:
                        await scenario(stage)
                    except Exception as error:
                        error.add_note(f"in {name}")
                        raise

    anyio.run(played)
