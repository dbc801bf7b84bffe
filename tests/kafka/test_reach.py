"""Servers that do not answer hold up nobody while another does: silent ones, closed ports, names of nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from aiokafka import errors

from dagger import Dagger, Status, task, template
from dagger.backends.kafka.client import Brokers, Unreached
from dagger.backends.kafka.errors import translate
from dagger.errors import BackendError, BackendUnavailable
from tests.kafka.stage import OnKafka
from tests.servers.kafka import KafkaCluster
from tests.servers.ports import free_ports

START_S_MAX = 10.0
"""Within how many seconds a client starts that is given a server that answers, whatever the others are."""


@task
async def double(number: int) -> int:
    return 2 * number


doubles = template("Doubles", double, key=str)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def full() -> Iterator[str]:
    """A server to which packets go and from which none come: its queue of connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        others = [socket.socket() for _ in range(8)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(address)
        yield f"127.0.0.1:{address[1]}"
        for other in others:
            other.close()


@pytest.fixture
def closed() -> str:
    """Where nobody listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def nobody() -> str:
    """A name that does not resolve (RFC 2606)."""
    return "kafka.invalid:9092"


@pytest.fixture
def odd() -> Iterator[str]:
    """A server that answers, but not as a broker."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as connections:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connections.enter_context(connection)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


USELESS = ("silent", "full", "closed", "nobody", "odd")


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("useless", USELESS)
def test_a_server_that_answers_is_found_beside_one_that_does_not(
    useless: str, request: pytest.FixtureRequest, storage: OnKafka, kafka: KafkaCluster
) -> None:
    first: str = request.getfixturevalue(useless)
    assert storage.store_url is not None
    engine = Dagger(storage.url.replace(kafka.bootstrap, f"{first},{kafka.bootstrap}"), storage.store_url)
    engine.register(doubles)

    async def run() -> None:
        begun = time.monotonic()
        async with engine.client():
            started = await engine.start(doubles, 21)
            assert time.monotonic() - begun < START_S_MAX
            async with engine:  # which starts a consumer and a producer for each lane
                assert (await engine.wait(started)).status is Status.COMPLETED

    anyio.run(run)


@pytest.mark.parametrize("useless", USELESS)
def test_where_no_server_answers_it_is_said_what_each_did(
    useless: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagger.backends.kafka.client.brokers.REACH_S", 0.5)  # who is silent so long stays silent
    first: str = request.getfixturevalue(useless)
    engine = Dagger(f"kafka://{first}/a", f"sqlite:///{tmp_path}/records.db")

    async def run() -> None:
        async with asyncio.timeout(60), engine.client():
            pass

    with pytest.raises(BackendUnavailable, match=rf"kafka://{first}/a: {first} "):
        anyio.run(run)


def test_all_servers_are_tried_at_the_same_time() -> None:
    """None of them is given the time of another."""
    together = anyio.Event()
    begun = list[tuple[str, int]]()

    async def call(server: tuple[str, int]) -> str:
        begun.append(server)
        if len(begun) == 3:
            together.set()
        await together.wait()
        if server[1] < 3:
            await anyio.sleep_forever()
        return server[0]

    async def run() -> None:
        brokers = Brokers([("a", 1), ("b", 2), ("c", 3)])
        assert await brokers.reach(call) == "c"
        assert brokers.servers == [("c", 3), ("a", 1), ("b", 2)], "who has answered is asked first from then on"

    anyio.run(run)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize(
    ("option", "remedy", "lasts"),
    [
        ("replication=3", "has fewer brokers now than replication= asks for", False),
        ("transaction=60m", "does not allow this transaction=", True),
        ("lease=40m&transaction=50m", "does not allow this", True),
    ],
)
def test_what_the_brokers_do_not_allow_is_told_with_its_remedy(
    option: str, remedy: str, lasts: bool, storage: OnKafka
) -> None:
    assert storage.store_url is not None
    engine = Dagger(storage.url.replace("lease=6s", option), storage.store_url)
    engine.register(doubles)

    async def run() -> None:
        async with asyncio.timeout(60), engine:
            await anyio.sleep_forever()

    with pytest.raises(BackendError, match=remedy) as raised:
        anyio.run(run)
    assert isinstance(raised.value, BackendUnavailable) is not lasts


def test_what_lasts_is_told_rather_than_what_may_pass() -> None:
    passing, lasting = TimeoutError(), errors.SaslAuthenticationFailed("no")
    found = translate(Unreached({("a", 1): passing, ("b", 2): lasting}), "kafka://a,b/o")
    assert not isinstance(found, BackendUnavailable)
    assert "does not know this user" in str(found)
    assert isinstance(translate(Unreached({("a", 1): passing}), "kafka://a/o"), BackendUnavailable)
    assert type(translate(TimeoutError(), "kafka://a/o", lasting)) is BackendError, "why nobody answers"
