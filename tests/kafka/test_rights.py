"""The rights that docs/deploy.md lists for clients are enough, and one less is not, with the authorizer of a broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding  # the public module has it, and does not mark it as exported

from dagger import BackendError, Dagger, Status, signal, template
from dagger.backends.kafka import KafkaBackend
from dagger.backends.sqlite import SqliteRecordStore
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

USERS = ("admin", "worker", "starts", "looks", "reads", "hears", "signals")
JAAS = (
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin" '
    + " ".join(f'user_{name}="{name}"' for name in USERS)
    + ";"
)
GUARDED = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": JAAS,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:admin;User:worker;User:ANONYMOUS",  # of the controllers nobody is asked who they are
}
LOG, LETTERS, GROUP = ("TOPIC", "orders.log"), ("TOPIC", "orders.dead-letter"), ("GROUP", "orders")
ENDS = "TOPIC", "orders.ends"
READ, WRITE, DESCRIBE = "READ", "WRITE", "DESCRIBE"
RIGHTS = {
    "starts": [(LOG, WRITE), (LETTERS, DESCRIBE)],
    "looks": [(LOG, READ), (LETTERS, DESCRIBE), (GROUP, DESCRIBE)],
    "reads": [(LOG, READ), (LETTERS, DESCRIBE)],
    "hears": [(LOG, READ), (LETTERS, DESCRIBE), (GROUP, DESCRIBE), (ENDS, READ)],
    "signals": [(LOG, READ), (LOG, WRITE), (LETTERS, DESCRIBE), (GROUP, DESCRIBE)],
}

approved = signal("approve", str)
orders = template("Orders", approved, key=str, takes=str)


class Guarded:
    """A broker that asks who somebody is, and what they may do."""

    def __init__(self, bootstrap: str, records: Path) -> None:
        self.bootstrap = bootstrap
        self._store = f"sqlite:///{records}"

    def engine(self, user: str) -> Dagger:
        options = "security=sasl_plaintext&partitions=1" + ("" if user == "worker" else "&create=no")
        engine = Dagger(f"kafka://{user}:{user}@{self.bootstrap}/orders?{options}", self._store)
        engine.register(orders)
        return engine

    def grant(self) -> None:
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "admin",
                "sasl.password": "admin",
            }
        )
        rights = [
            AclBinding(kind, name, "LITERAL", f"User:{user}", "*", operation, "ALLOW")
            for user, granted in RIGHTS.items()
            for (kind, name), operation in granted
        ]
        for future in admin.create_acls(rights).values():
            future.result()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """With one instance that was accepted, and that no worker has begun."""
    try:
        cluster = KafkaCluster(directory=tmp_path_factory.mktemp("kafka"), settings=GUARDED)
    except Missing as missing:
        pytest.skip(str(missing))
    with cluster:
        found = Guarded(cluster.bootstrap, tmp_path_factory.mktemp("records") / "records.db")

        async def begin() -> None:
            async with found.engine("worker"):
                pass  # makes the topics
            async with found.engine("worker").client() as client:
                await client.start(orders, "o-1")

        anyio.run(begin)
        found.grant()
        yield found


def test_a_client_that_starts_needs_to_write_to_the_log_only(guarded: Guarded) -> None:
    async def start() -> None:
        async with guarded.engine("starts").client() as client:
            await client.start(orders, "o-2")

    anyio.run(start)


def test_a_client_that_looks_reads_the_end_of_the_log(guarded: Guarded) -> None:
    async def look() -> None:
        async with guarded.engine("looks").client() as client:
            assert (await client.get_instance("o-1")).status is Status.SUBMITTED

    anyio.run(look)


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store reports nothing, as Aerospike."""
    monkeypatch.setattr(SqliteRecordStore, "reports_ends", property(lambda self: False))
    monkeypatch.setattr(SqliteRecordStore, "announce_ended", lambda self, ids: None)


@pytest.mark.usefixtures("mute")
def test_a_client_that_may_read_their_topic_hears_of_ends(guarded: Guarded) -> None:
    async def hear() -> None:
        async with guarded.engine("worker").client() as worker, guarded.engine("hears").client() as client:
            with anyio.fail_after(60):
                while await client.backend.changed() is None:
                    pass
                worker.backend.announce_ended(["o-1"])
                while "o-1" not in (await client.backend.changed() or ()):
                    pass

    anyio.run(hear)


@pytest.mark.usefixtures("mute")
def test_a_client_that_may_not_asks_the_store_instead(guarded: Guarded) -> None:
    async def look() -> None:
        async with guarded.engine("looks").client() as client:
            backend = client.backend
            assert isinstance(backend, KafkaBackend)
            assert not backend.log.ends.is_heard
            assert await backend.changed() is None, "anything may have changed"

    anyio.run(look)


def test_a_client_that_signals_needs_both(guarded: Guarded) -> None:
    async def tell() -> None:
        async with guarded.engine("signals").client() as client:
            await client.signal("o-1", approved, "Ada")

    anyio.run(tell)


@pytest.mark.parametrize("user", ["starts", "reads"])
def test_without_a_right_to_the_group_nobody_sees_what_is_not_begun(guarded: Guarded, user: str) -> None:
    async def look() -> None:
        async with guarded.engine(user).client() as client:
            await client.get_instance("o-1")

    with pytest.raises(
        BackendError, match=r"does not let this user use the group; grant it what docs/deploy\.md lists"
    ):
        anyio.run(look)
