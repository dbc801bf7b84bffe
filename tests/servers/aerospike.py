"""An Aerospike server for tests: `asd` from PATH in a throwaway directory, or the servers that AEROSPIKE_HOSTS names.

AEROSPIKE_HOSTS is `host:port[,host:port]`, and AEROSPIKE_NAMESPACE the namespace there, `test` if it is not set.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pytest

from dagger.backends.aerospike.bins import pins_of
from dagger.backends.aerospike.options import options_of
from tests.servers.ports import free_ports
from tests.servers.processes import Process

MISSING: Final = "no Aerospike: put asd on PATH, or set AEROSPIKE_HOSTS"
"""Why a test is skipped."""
NO_CLIENT: Final = "no Aerospike client: pip install aerospike"
NAMESPACE: Final = "test"
READY_S_MAX: Final = 60.0
"""How long a server may take to start, in seconds. Nothing else depends on it."""
LOOPBACK: Final = "127.0.0.1"
STABLE: Final = b"\x02\x01\x00\x00\x00\x00\x00\x10cluster-stable:\n"
"""A question of the info protocol: version 2, type 1, six bytes of length, a command. No client can connect before it
is answered by anything but an error, though the port is open and the `status` is ok."""

CONFIG: Final = """
service {{
    run-as-daemon false
    work-directory {folder}
    pidfile {folder}/asd.pid
    cluster-name dagger-tests
    proto-fd-max 1024
}}
logging {{
    console {{
        context any warning
    }}
}}
network {{
    service {{
        address {loopback}
        access-address {loopback}
        port {ports[0]}
    }}
    heartbeat {{
        mode mesh
        address {loopback}
        port {ports[1]}
        {seeds}
        interval 150
        timeout 10
    }}
    fabric {{
        address {loopback}
        port {ports[2]}
    }}
}}
mod-lua {{
    user-path {folder}/usr
}}
namespace {namespace} {{
    replication-factor {copies}
    default-ttl 0
    {namespace_options}
    storage-engine device {{
        file {folder}/data
        filesize {size}
        flush-max-ms {flush_ms}
    }}
}}
"""


class Aerospike:
    """A server of its own, started by `asd`; or one that runs already. A context manager."""

    def __init__(
        self,
        *options: str,
        size: str = "2G",
        flush_ms: int = 1,
        namespace: str = NAMESPACE,
        copies: int = 1,
        others: Sequence[Aerospike] = (),
    ) -> None:
        self._options = options or ("nsup-period 1", "max-record-size 1M")
        self._size = size
        self._flush_ms = flush_ms
        self._copies = copies
        self._others = others
        """Of the same cluster, started before."""
        self._folder: Path | None = None
        self._process: Process | None = None
        self._ports: Sequence[int] = ()
        self.namespace = namespace

    @property
    def hosts(self) -> str:
        """As a URL says it."""
        return f"{LOOPBACK}:{self._ports[0]}"

    @property
    def url(self) -> str:
        return f"aerospike://{self.hosts}/{self.namespace}"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="dagger-aerospike-"))
        for name in ("smd", "usr"):
            (self._folder / name).mkdir()
        self._ports = free_ports(3)
        (self._folder / "asd.conf").write_text(self._written())
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _written(self) -> str:
        """Its configuration."""
        return CONFIG.format(
            folder=self._folder,
            loopback=LOOPBACK,
            ports=self._ports,
            namespace=self.namespace,
            namespace_options="\n    ".join(self._options),
            copies=self._copies,
            seeds="\n        ".join(f"mesh-seed-address-port {LOOPBACK} {other._ports[1]}" for other in self._others),
            size=self._size,
            flush_ms=self._flush_ms,
        )

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """End it by SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def restart(self) -> None:
        """Start it again on the same data; it is ended before by SIGTERM, if it still runs."""
        self._end()
        self._start()

    def stop(self) -> None:
        """End it and delete its data."""
        self._end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def signal(self, number: int) -> None:
        """Send a signal: SIGSTOP and SIGCONT, for a server that hangs."""
        assert self._process is not None
        self._process.send(number)

    def _start(self) -> None:
        assert self._folder is not None
        config = str(self._folder / "asd.conf")
        process = Process([found_asd() or "asd", "--foreground", "--config-file", config], self._folder / "log")
        self._process = process
        until = time.monotonic() + READY_S_MAX
        while not is_ready(self._ports[0]):
            if process.exit is not None or time.monotonic() > until:
                raise RuntimeError(f"asd did not start:\n{process.last_lines()}")
            time.sleep(0.02)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


class Running:
    """The servers that AEROSPIKE_HOSTS names."""

    def __init__(self, hosts: str) -> None:
        self.hosts = hosts
        self.namespace = os.environ.get("AEROSPIKE_NAMESPACE") or NAMESPACE

    @property
    def url(self) -> str:
        return f"aerospike://{self.hosts}/{self.namespace}"


def found_asd() -> str | None:
    """The server's program, if it is on PATH."""
    return shutil.which("asd")


def is_ready(port: int) -> bool:
    """Whether a server answers that its cluster, of itself, is there."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(STABLE)
            answer = connection.recv(256)
    except OSError:
        return False
    return b"stable" in answer and b"ERROR" not in answer


def servers() -> Iterator[Aerospike | Running]:
    """What there is, for a fixture: the environment's, or one of our own. Skips where there is none."""
    hosts = os.environ.get("AEROSPIKE_HOSTS")
    if hosts:
        needs_client()
        yield Running(hosts)
        return
    with own_server() as server:
        yield server


def needs_client() -> None:
    """Skip where the package is not installed."""
    if importlib.util.find_spec("aerospike") is None:
        pytest.skip(NO_CLIENT)


def own_server(*options: str, copies: int = 1, others: Sequence[Aerospike] = ()) -> Aerospike:
    """A server that a test may kill, alone or of a cluster. Skips where there is none."""
    if found_asd() is None:
        pytest.skip(MISSING)
    needs_client()
    return Aerospike(*options, copies=copies, others=others)


def wait_for_nodes(nodes: Sequence[Aerospike]) -> None:
    """Return when they are one cluster, whose data is where it belongs."""
    client = raw_client(nodes[0].url)
    try:
        until = time.monotonic() + READY_S_MAX
        question = f"cluster-stable:size={len(nodes)};ignore-migrations=false"
        while True:
            found = [text or "" for _, text in client.info_all(question).values()]
            if len(found) == len(nodes) and len(set(found)) == 1 and "ERROR" not in found[0]:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"the nodes are no cluster: {found}")
            time.sleep(0.05)
    finally:
        client.close()


def raw_client(url: str) -> Any:
    """The official client, as it is."""
    return importlib.import_module("aerospike").client(
        {"hosts": [(host.name, host.port) for host in options_of(url).hosts]}
    )


def empty(url: str, prefix: str) -> None:
    """Delete the records of an application. Its indexes stay: it takes seconds to make them."""
    namespace = options_of(url).namespace
    client = raw_client(url)
    try:
        for of in (prefix, pins_of(prefix)):
            found = list[Any]()
            client.scan(namespace, of).foreach(
                lambda record, found=found: found.append(record[0]), {}, {"nobins": True}
            )
            for start in range(0, len(found), 1_000):
                client.batch_remove(found[start : start + 1_000])
    finally:
        client.close()
