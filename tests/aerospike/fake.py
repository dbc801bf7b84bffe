"""A cluster in memory, which can be late, mute and busy: the port behind which the real one is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

from dagger.backends.aerospike.cluster import (
    KEEP,
    AerospikeCluster,
    Bins,
    ConditionalWrite,
    Range,
    Where,
    WriteOutcome,
    WriteResult,
)
from dagger.backends.aerospike.options import options_of
from dagger.backends.aerospike.store import AerospikeStore
from dagger.errors import BackendUnavailable

CONFIG = "nsup-period=120;max-record-size=1048576;apply-ttl-reductions=true"


class InjectedFault(Enum):
    """What happens to one try of one change."""

    LOST = auto()
    """It does not arrive, and nobody knows."""
    MUTE = auto()
    """It is made, and nobody is told."""
    LATE = auto()
    """It arrives after the next look at its record."""
    BUSY = auto()
    STUCK = auto()
    WRONG = auto()


class Servers:
    """The data, for as many clusters as are opened on it."""

    def __init__(self, config: str = CONFIG) -> None:
        self.config = config
        self.namespaces = "test"
        self.key = "4F60A3"
        self.sets: dict[str, dict[str, Bins]] = {}
        self.ttls: dict[str, int] = {}
        self.indexes: dict[str, str] = {}
        self.unsure_indexes = 0
        """How many of the next that are to be made have no answer."""
        self.faults: list[InjectedFault] = []
        """What happens to the next tries, one after the other."""
        self.deaf = 0
        """How many of the next reads fail."""
        self.heeds_conditions = True
        self.tries = 0
        self._late: list[tuple[str, ConditionalWrite]] = []
        self._random = random.Random(7)

    def cluster(self) -> FakeCluster:
        return FakeCluster(self)

    def store(self, options: str = "") -> AerospikeStore:
        return AerospikeStore(options_of(f"aerospike://fake:3000/test{options}"), "app", self.cluster())

    def put(self, set_name: str, change: ConditionalWrite) -> WriteResult:
        self.tries += 1
        match self.faults.pop(0) if self.faults else None:
            case InjectedFault.LOST:
                return WriteResult(WriteOutcome.IN_DOUBT, "no answer")
            case InjectedFault.MUTE:
                self.apply(set_name, change)
                return WriteResult(WriteOutcome.IN_DOUBT, "no answer")
            case InjectedFault.LATE:
                self._late.append((set_name, change))
                return WriteResult(WriteOutcome.IN_DOUBT, "no answer")
            case InjectedFault.BUSY:
                return WriteResult(WriteOutcome.BUSY, "too many")
            case InjectedFault.STUCK:
                return WriteResult(WriteOutcome.UNAVAILABLE, "no room")
            case InjectedFault.WRONG:
                return WriteResult(WriteOutcome.INVALID, "too big")
            case None:
                return WriteResult(WriteOutcome.DONE if self.apply(set_name, change) else WriteOutcome.CONDITION_FAILED)

    def apply(self, set_name: str, change: ConditionalWrite) -> bool:
        records = self.sets.setdefault(set_name, {})
        kept = records.get(change.key)
        if self.heeds_conditions and not change.condition.holds(kept):
            return False
        records[change.key] = {**({} if change.whole or kept is None else kept), **change.bins}
        if change.ttl != KEEP:
            self.ttls[change.key] = change.ttl
        return True

    def get(self, set_name: str, key: str, bins: Sequence[str]) -> Bins | None:
        kept = self.sets.get(set_name, {}).get(key)
        return None if kept is None else {name: kept[name] for name in bins if name in kept}

    def arrive(self) -> None:
        """What was late is there now."""
        late, self._late = self._late, []
        for set_name, change in late:
            self.apply(set_name, change)

    def matching(self, set_name: str, where: Where) -> list[Bins]:
        """In no order."""

        def matches(kept: Bins) -> bool:
            found = kept.get(where.bin)
            if isinstance(where, Range):
                return found is not None and where.low <= found <= where.high
            return where.number in (found or ())

        found = [kept for kept in self.sets.get(set_name, {}).values() if matches(kept)]
        self._random.shuffle(found)
        return found


class FakeCluster:
    """One who speaks to the servers."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.looks = 0
        """How many records all queries gave."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def info(self, command: str) -> Mapping[str, str]:
        servers = self._servers
        name = command.partition(":")[0]
        listed = [f"ns=test:indexname={name}" for name in servers.indexes]
        answers = {
            "namespaces": servers.namespaces,
            "get-config": servers.config,
            "sindex-list": ";".join(listed),
            "statistics": f"cluster_size=1;cluster_key={servers.key};uptime=7",
            "sindex-stat": "entries=0;load_pct=100",
        }
        return {"A1": answers[name]}

    def make_index(self, set_name: str, bin: str, name: str, *, lists: bool) -> None:
        if self._servers.unsure_indexes:
            self._servers.unsure_indexes -= 1
            raise BackendUnavailable("it did not answer in time")
        self._servers.indexes[name] = bin

    def get(self, set_name: str, keys: Sequence[str], bins: Sequence[str]) -> Sequence[Bins | None]:
        if self._servers.deaf:
            self._servers.deaf -= 1
            raise BackendUnavailable("nobody answers")
        found = [self._servers.get(set_name, key, bins) for key in keys]
        self._servers.arrive()
        return found

    def put(self, set_name: str, changes: Sequence[ConditionalWrite]) -> Sequence[WriteResult]:
        return [self._servers.put(set_name, change) for change in changes]

    def query(
        self, set_name: str, where: Where, bins: Sequence[str], visit: Callable[[Bins], None], limit: int | None = None
    ) -> bool:
        found = self._servers.matching(set_name, where)
        given = found[:limit]
        self.looks += len(given)
        for kept in given:
            visit({name: kept[name] for name in bins if name in kept})
        return limit is None or len(found) < limit


def is_a_cluster(cluster: FakeCluster) -> AerospikeCluster:
    """It keeps to the port, as the type checkers see it."""
    return cluster
