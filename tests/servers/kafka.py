"""A real Apache Kafka in KRaft mode: one broker, or a cluster whose brokers can be killed and started again.

`KafkaCluster` takes no fixture and no event loop, so that programs can use it too. Its methods block: in async code
they belong into a thread (`anyio.to_thread.run_sync(cluster.restart, 0)`).
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.servers.jars import java, kafka_jars
from tests.servers.ports import free_ports
from tests.servers.processes import Process

READY_S_MAX: Final = 120.0
"""A failure limit: how long a broker may take until it serves."""

_QUICK_START: Final = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
# A broker says this when the cluster has accepted it and it serves.
_STARTED: Final = "Kafka Server started"
_LOGGING: Final = {
    "defaultLogLevel": "warn",
    "log.kafka.server.KafkaRaftServer": "info",  # who tells that it has started
    "showDateTime": "true",
    "dateTimeFormat": "HH:mm:ss.SSS",
}

_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    # Few and small files.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.segment.bytes": str(64 << 20),
    "log.index.size.max.bytes": str(1 << 20),
    # A group's first member need not wait for others, and one that dies may be missed after a second.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A broker that was killed comes back only when the cluster has given up the one before it.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class KafkaCluster:
    """Brokers on loopback at free ports, each of which is a controller too.

    With three, every topic has three replicas and two of them must have a record before it is acknowledged; so
    one broker at a time may be down, and nothing is lost or stands still for long.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        detour: bool = False,
        users: Sequence[str] = (),
    ) -> None:
        """Choose their ports.

        Args:
            brokers: how many, numbered from 0.
            directory: where their data and logs are; it is made.
            settings: what the brokers are to be told besides, or otherwise.
            detour: whether there is another way to them, for a proxy of whoever asks for it.
            users: whom they know by SCRAM from the beginning, as `SCRAM-SHA-256=[name=ann,password=...]`.

        Raises:
            Missing: this machine has no Java, or Maven cannot fetch Kafka.
        """
        self._java, self._jars = java(), kafka_jars()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        # An id must not begin with a dash; a zero byte at the front is an A.
        self.id = base64.urlsafe_b64encode(bytes(1) + os.urandom(15)).decode().rstrip("=")
        ports = free_ports((4 if detour else 2) * brokers)
        self._ports, self._controllers = ports[:brokers], ports[brokers : 2 * brokers]
        # Bound at once: until a proxy listens there, somebody else could.
        self.detours = [
            (_bound(advertised), port)
            for advertised, port in zip(ports[2 * brokers : 3 * brokers], ports[3 * brokers :], strict=True)
        ]
        """By broker, what is bound to the port that it tells those who come by its detour, and its own port."""
        self.replicas = min(brokers, 3)
        self._settings = {**_SETTINGS, **_copies(self.replicas), **(settings or {})}
        self._users = list(users)
        self._heap = "-Xmx512m" if brokers == 1 else "-Xmx256m"
        self._lives = [0] * brokers
        self._running = dict[int, Process]()

    @property
    def bootstrap(self) -> str:
        """`host:port,...` of all brokers, up or down."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    @property
    def detoured_bootstrap(self) -> str:
        """The same for those who go through a proxy, which listens at the sockets of the `detours`."""
        return ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one, _ in self.detours)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the brokers and start them, all at the same time, and wait until they serve."""
        for broker in range(len(self._ports)):
            self._properties(broker).write_text(self._written(broker))
        formats = [self._format(broker) for broker in range(len(self._ports))]
        for process in formats:
            if process.wait() != 0:
                raise RuntimeError(f"no directory for a Kafka broker could be made:\n{process.last_lines()}")
        for broker in range(len(self._ports)):
            self._launch(broker)
        self.wait_ready()

    def stop(self) -> None:
        """End all brokers without ceremony, and delete their data. What they have logged stays."""
        while self._running:
            self._running.popitem()[1].kill()
        for bound, _ in self.detours:
            bound.close()
        for broker in range(len(self._ports)):
            shutil.rmtree(self._data(broker), ignore_errors=True)

    def kill(self, broker: int) -> None:
        """SIGKILL: it writes nothing more and says goodbye to nobody."""
        self._running.pop(broker).kill()

    def freeze(self, broker: int) -> None:
        """SIGSTOP: it keeps its connections, takes others, and answers nobody."""
        self._running[broker].send(signal.SIGSTOP)

    def thaw(self, broker: int) -> None:
        """Let a frozen broker go on."""
        self._running[broker].send(signal.SIGCONT)

    def shut_down(self, broker: int) -> None:
        """SIGTERM: it hands its partitions over, and ends."""
        self._running.pop(broker).end()

    def restart(self, broker: int) -> None:
        """Start a broker that is down, on its data and its port, and wait until it serves."""
        self._launch(broker)
        self.wait_ready(broker)

    def wait_ready(self, *brokers: int) -> None:
        """Wait until these brokers serve; all that are up if none is named.

        Raises:
            RuntimeError: one has ended, or takes too long: with the end of its log.
        """
        limit = time.monotonic() + READY_S_MAX
        for broker in brokers or tuple(self._running):
            process = self._running[broker]
            while _STARTED not in process.log.read_text(errors="replace"):
                if process.exit is not None:
                    what = f"has ended with {process.exit}"
                elif time.monotonic() > limit:
                    what = f"does not serve after {READY_S_MAX:g} s"
                else:
                    time.sleep(0.02)
                    continue
                raise RuntimeError(f"Kafka broker {broker} {what}; the end of {process.log}:\n{process.last_lines()}")

    # A broker.

    def _launch(self, broker: int) -> None:
        if broker in self._running:
            raise RuntimeError(f"Kafka broker {broker} is up already")
        self._lives[broker] += 1
        log = self._directory / f"broker-{broker}.{self._lives[broker]}.log"
        self._running[broker] = self._run(log, "kafka.Kafka", str(self._properties(broker)))

    def _format(self, broker: int) -> Process:
        log = self._directory / f"format-{broker}.log"
        arguments = ["format", "--cluster-id", self.id, "--config", str(self._properties(broker))]
        for user in self._users:
            arguments += ["--add-scram", user]
        return self._run(log, "kafka.tools.StorageTool", *arguments)

    def _run(self, log: Path, program: str, *arguments: str) -> Process:
        logging = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in _LOGGING.items()]
        options = [self._heap, *_QUICK_START, *logging, "-cp", f"{self._jars}/*"]
        return Process([self._java, *options, program, *arguments], log)

    def _written(self, broker: int) -> str:
        own = {
            "node.id": str(broker),
            "controller.quorum.voters": ",".join(
                f"{number}@127.0.0.1:{port}" for number, port in enumerate(self._controllers)
            ),
            "listeners": f"PLAINTEXT://127.0.0.1:{self._ports[broker]},"
            f"CONTROLLER://127.0.0.1:{self._controllers[broker]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._ports[broker]}",
            "log.dirs": str(self._data(broker)),
        }
        if self.detours:
            advertised, port = self.detours[broker][0].getsockname()[1], self.detours[broker][1]
            own["listeners"] += f",DETOUR://127.0.0.1:{port}"
            own["advertised.listeners"] += f",DETOUR://127.0.0.1:{advertised}"
        return "".join(f"{name}={value}\n" for name, value in {**own, **self._settings}.items())

    def _properties(self, broker: int) -> Path:
        return self._directory / f"broker-{broker}.properties"

    def _data(self, broker: int) -> Path:
        return self._directory / f"data-{broker}"


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return found


def _copies(replicas: int) -> dict[str, str]:
    """Of everything there are so many, and more than half must be there."""
    many, least = str(replicas), str(replicas // 2 + 1)
    return {
        "default.replication.factor": many,
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": many,
        "transaction.state.log.replication.factor": many,
        "transaction.state.log.min.isr": least,
        "share.coordinator.state.topic.replication.factor": many,
        "share.coordinator.state.topic.min.isr": least,
    }
