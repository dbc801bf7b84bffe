"""What compose.yaml tells its containers: real servers take it, and orders run on them as the page for users says.

The images are not run, only what they are told. Ports are others, so that nothing is in the way of what a machine runs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from typing_extensions import override

from dagger import Dagger, Status
from dagger.testing.contract import shop
from tests.kafka.programs import exiting
from tests.servers.aerospike import LOOPBACK, Aerospike, found_asd, needs_client
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster
from tests.servers.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: Any = yaml.safe_load((ROOT / "compose.yaml").read_text())
KAFKA_DATA, AEROSPIKE_DATA = "/var/lib/kafka/data", "/opt/aerospike/data"


class ComposedKafka(KafkaCluster):
    """A broker with the settings of compose.yaml, and no others."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._environment: dict[str, str] = dict(COMPOSE["services"]["kafka"]["environment"])
        self.id = self._environment.pop("CLUSTER_ID")
        host, inside, controller = free_ports(3)
        self._here = {"9092": str(host), "19092": str(inside), "29093": str(controller), KAFKA_DATA: str(directory)}
        self.port = host

    @override
    def _written(self, broker: int) -> str:
        """As the image writes it: a name without its prefix, in small letters, with dots."""
        found = list[str]()
        for name, value in self._environment.items():
            prefix, _, rest = name.partition("_")
            assert prefix == "KAFKA", name
            found.append(f"{rest.lower().replace('_', '.')}={self._moved(value)}")
        return "\n".join(found)

    def _moved(self, value: str) -> str:
        """The same at other ports, of loopback only, in another directory."""
        value = value.replace("://:", f"://{LOOPBACK}:").replace("kafka:", f"{LOOPBACK}:")
        if value == KAFKA_DATA:
            return self._here[KAFKA_DATA]
        return re.sub(r"(?<=:)\d+", lambda found: self._here[found[0]], value)


class ComposedAerospike(Aerospike):
    """A node with the configuration of compose.yaml, and what the image brings along."""

    @property
    def port(self) -> int:
        return self._ports[0]

    @override
    def _written(self) -> str:
        text: str = COMPOSE["configs"]["aerospike"]["content"]
        for port, here in zip(("3000", "3002", "3001"), self._ports, strict=True):
            text = re.sub(rf"\bport {port}\b", f"port {here}", text)
        for name in ("any", "local"):
            text = text.replace(f"address {name}\n", f"address {LOOPBACK}\n")
        text = text.replace(AEROSPIKE_DATA, str(self._folder))
        brought = f"work-directory {self._folder}\n    pidfile {self._folder}/asd.pid\n"
        text = text.replace("service {\n", f"service {{\n    {brought}", 1)
        return f"{text}\nmod-lua {{\n    user-path {self._folder}/usr\n}}\n"


def test_what_it_names_is_where_its_volumes_are() -> None:
    services = COMPOSE["services"]
    assert services["kafka"]["volumes"] == [f"kafka:{services['kafka']['environment']['KAFKA_LOG_DIRS']}"]
    assert services["kafka"]["environment"]["KAFKA_LOG_DIRS"] == KAFKA_DATA
    assert services["aerospike"]["volumes"] == [f"aerospike:{AEROSPIKE_DATA}"]
    assert f"file {AEROSPIKE_DATA}/" in COMPOSE["configs"]["aerospike"]["content"]
    ports = [port for service in services.values() for port in service["ports"]]
    assert ports == ["127.0.0.1:9092:9092", "127.0.0.1:3000:3000"]


def test_an_order_runs_on_its_servers(tmp_path: Path) -> None:
    if found_asd() is None:
        pytest.skip("no Aerospike: put asd on PATH")
    needs_client()
    try:
        kafka = ComposedKafka(tmp_path / "kafka")
    except Missing as missing:
        pytest.skip(str(missing))
    with kafka, ComposedAerospike() as aerospike:
        anyio.run(
            ordered,
            f"kafka://localhost:{kafka.port}/orders",
            f"aerospike://localhost:{aerospike.port}/test?alternate=yes",
        )


async def ordered(broker: str, store: str) -> None:
    engine = Dagger(broker, store=store)
    engine.register(exiting)
    async with engine:
        run = await engine.start(exiting, shop.Order("o-1"))
        await engine.publish(shop.NOTES, shop.Paid("o-1", "r-7"))
        assert (await engine.wait(run)).status is Status.COMPLETED
