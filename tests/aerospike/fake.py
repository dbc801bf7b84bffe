"""A cluster in memory, which can be late, mute and busy: the port behind which the real one is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

from dagger.backends.aerospike.cluster import KEEP, Answer, Bins, Change, Cluster, Outcome, Range, Where
from dagger.backends.aerospike.options import options_of
from dagger.backends.aerospike.store import AerospikeStore
from dagger.errors import BackendUnavailable

CONFIG = "nsup-period=120;max-record-size=1048576;apply-ttl-reductions=true"


class Mishap(Enum):
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
        self.mishaps: list[Mishap] = []
        """What happens to the next tries, one after the other."""
        self.deaf = 0
        """How many of the next reads fail."""
        self.heeds_conditions = True
        self.tries = 0
        self._late: list[tuple[str, Change]] = []
        self._random = random.Random(7)

    def cluster(self) -> FakeCluster:
        return FakeCluster(self)

    def store(self, options: str = "") -> AerospikeStore:
        return AerospikeStore(options_of(f"aerospike://fake:3000/test{options}"), "app", self.cluster())

    def put(self, of: str, change: Change) -> Answer:
        self.tries += 1
        match self.mishaps.pop(0) if self.mishaps else None:
            case Mishap.LOST:
                return Answer(Outcome.DOUBT, "no answer")
            case Mishap.MUTE:
                self.apply(of, change)
                return Answer(Outcome.DOUBT, "no answer")
            case Mishap.LATE:
                self._late.append((of, change))
                return Answer(Outcome.DOUBT, "no answer")
            case Mishap.BUSY:
                return Answer(Outcome.BUSY, "too many")
            case Mishap.STUCK:
                return Answer(Outcome.STUCK, "no room")
            case Mishap.WRONG:
                return Answer(Outcome.WRONG, "too big")
            case None:
                return Answer(Outcome.DONE if self.apply(of, change) else Outcome.REFUSED)

    def apply(self, of: str, change: Change) -> bool:
        records = self.sets.setdefault(of, {})
        kept = records.get(change.key)
        if self.heeds_conditions and not change.condition.holds(kept):
            return False
        records[change.key] = {**({} if change.whole or kept is None else kept), **change.bins}
        if change.ttl != KEEP:
            self.ttls[change.key] = change.ttl
        return True

    def get(self, of: str, key: str, bins: Sequence[str]) -> Bins | None:
        kept = self.sets.get(of, {}).get(key)
        return None if kept is None else {name: kept[name] for name in bins if name in kept}

    def arrive(self) -> None:
        """What was late is there now."""
        late, self._late = self._late, []
        for of, change in late:
            self.apply(of, change)

    def matching(self, of: str, where: Where) -> list[Bins]:
        """In no order."""

        def matches(kept: Bins) -> bool:
            found = kept.get(where.bin)
            if isinstance(where, Range):
                return found is not None and where.low <= found <= where.high
            return where.number in (found or ())

        found = [kept for kept in self.sets.get(of, {}).values() if matches(kept)]
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

    def tell(self, command: str) -> Mapping[str, str]:
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

    def make_index(self, of: str, bin: str, name: str, *, lists: bool) -> None:
        if self._servers.unsure_indexes:
            self._servers.unsure_indexes -= 1
            raise BackendUnavailable("it did not answer in time")
        self._servers.indexes[name] = bin

    def get(self, of: str, keys: Sequence[str], bins: Sequence[str]) -> Sequence[Bins | None]:
        if self._servers.deaf:
            self._servers.deaf -= 1
            raise BackendUnavailable("nobody answers")
        found = [self._servers.get(of, key, bins) for key in keys]
        self._servers.arrive()
        return found

    def put(self, of: str, changes: Sequence[Change]) -> Sequence[Answer]:
        return [self._servers.put(of, change) for change in changes]

    def query(
        self, of: str, where: Where, bins: Sequence[str], visit: Callable[[Bins], None], limit: int | None = None
    ) -> bool:
        found = self._servers.matching(of, where)
        given = found[:limit]
        self.looks += len(given)
        for kept in given:
            visit({name: kept[name] for name in bins if name in kept})
        return limit is None or len(found) < limit


def is_a_cluster(cluster: FakeCluster) -> Cluster:
    """It keeps to the port, as the type checkers see it."""
    return cluster
