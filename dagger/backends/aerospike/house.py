"""What is seen to when a store is opened: the namespace is as this store needs it, and the indexes are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from dagger.backends.aerospike.cluster import Absent, Change, Cluster, Is, Outcome
from dagger.backends.aerospike.layout import DATA, INDEXES, VERSION, Index
from dagger.backends.aerospike.options import Options
from dagger.errors import BackendError, BackendUnavailable

RECORD_MAX: Final = 1024 * 1024
"""How large a record may be where a server has not been told otherwise."""
RECORD_MIN: Final = 64 * 1024
"""Less than that is of no use."""
SPARE: Final = 16
"""Of a record, one part of so many is for what is not data: bins, key, header; the failure of what grew too large."""
PROBE: Final = "~probe"
"""The name of a pin that nobody else has."""
PAUSE_S: Final = 0.02
WAIT_S_MAX: Final = 60.0
"""How long is waited for a new index, in seconds."""


def data_max(record_max: int) -> int:
    """How much data fits into a record, in bytes."""
    return record_max - record_max // SPARE


def check(cluster: Cluster, options: Options) -> int:
    """See to the namespace; gives how much data fits into a record, in bytes. Raises BackendError."""
    sizes = list[int]()
    for node, names in cluster.tell("namespaces").items():
        if options.namespace not in names.split(";"):
            raise BackendError(
                f"Aerospike at {options.place}: its node {node} has no namespace '{options.namespace}' (there are: "
                f"{names.replace(';', ', ')}); configure it, or write another in the URL"
            )
    for node, text in _config(cluster, options.namespace).items():
        sizes.append(_check(f"the namespace '{options.namespace}' of the node {node} at {options.place}", _pairs(text)))
    if not sizes:
        raise BackendUnavailable(f"Aerospike at {options.place}: no node answers")
    return data_max(min(sizes))


def probe(cluster: Cluster, of: str, place: str) -> None:
    """See that a condition is kept, with a record of our own: some clients send none, and all is lost without a word.

    Raises BackendError where it is not, and BackendUnavailable where nothing can be written now.
    """
    cluster.put(of, [Change(PROBE, Absent(), {VERSION: 1, DATA: b""})])
    (answer,) = cluster.put(of, [Change(PROBE, Is(2), {VERSION: 2, DATA: b""})])
    if answer.outcome is Outcome.DONE:
        raise BackendError(
            f"Aerospike at {place}: a write was made whose condition does not hold; the package aerospike is older "
            "than 19, or the servers are older than 6.0: upgrade them"
        )
    if answer.outcome is not Outcome.REFUSED:
        raise BackendUnavailable(f"Aerospike at {place}: {answer.why}")


def _config(cluster: Cluster, namespace: str) -> Mapping[str, str]:
    """Older servers say `id`, newer ones `namespace`."""
    found = cluster.tell(f"get-config:context=namespace;namespace={namespace}")
    if any("nsup-period" not in text for text in found.values()):
        found = cluster.tell(f"get-config:context=namespace;id={namespace}")
    return found


def _check(place: str, config: Mapping[str, str]) -> int:
    if config.get("nsup-period") == "0" and config.get("allow-ttl-without-nsup") != "true":
        raise BackendError(f"{place} has nsup-period 0, so that nothing may expire; set it, to 120 for example")
    if config.get("apply-ttl-reductions") == "false":
        raise BackendError(f"{place} has apply-ttl-reductions false, so that nothing ever expires; set it to true")
    limits = [config.get(name, "0") for name in ("max-record-size", "storage-engine.write-block-size")]
    size = min((int(limit) for limit in limits if limit.isdigit() and int(limit)), default=RECORD_MAX)
    if size < RECORD_MIN:
        raise BackendError(f"{place} has max-record-size {size:,}; set it to {RECORD_MIN:,} at least, better to 1M")
    return size


def _pairs(text: str, separator: str = ";") -> dict[str, str]:
    parts = [pair.partition("=") for pair in text.split(separator)]
    return {name: value for name, equals, value in parts if equals}


def index(cluster: Cluster, options: Options, prefix: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make the indexes that are missing, and wait until they can be asked. Raises BackendUnavailable."""
    until = time.monotonic() + WAIT_S_MAX
    while missing := _missing(cluster, options.namespace, prefix):
        try:
            _make(cluster, prefix, missing)
        except BackendUnavailable:  # all nodes must agree to it, which may take longer than a call
            if time.monotonic() > until:
                raise
            sleep(PAUSE_S)
    for wanted in INDEXES:
        _wait(cluster, options, wanted.name(prefix), until, sleep)


def _make(cluster: Cluster, prefix: str, missing: Sequence[Index]) -> None:
    """All at once: the client takes seconds for each."""

    def make(wanted: Index) -> None:
        cluster.make_index(prefix, wanted.bin, wanted.name(prefix), lists=wanted.lists)

    with ThreadPoolExecutor(len(INDEXES)) as threads:
        for _ in threads.map(make, missing):
            pass


def _missing(cluster: Cluster, namespace: str, prefix: str) -> list[Index]:
    """The indexes that not every node has."""
    there = list[set[str]]()
    for text in cluster.tell(f"sindex-list:namespace={namespace}").values():
        entries = [_pairs(entry, ":") for entry in text.split(";")]
        there.append({entry.get("indexname", "") for entry in entries})
    return [wanted for wanted in INDEXES if not all(wanted.name(prefix) in names for names in there)]


def _wait(cluster: Cluster, options: Options, name: str, until: float, sleep: Callable[[float], None]) -> None:
    while True:
        told = cluster.tell(f"sindex-stat:namespace={options.namespace};indexname={name}")
        done = [_pairs(text).get("load_pct", "0") for text in told.values()]
        if done and all(part == "100" for part in done):
            return
        if time.monotonic() > until:
            raise BackendUnavailable(
                f"Aerospike at {options.place}: the secondary index {name} is still being built ({', '.join(done)} %)"
            )
        sleep(PAUSE_S)


def incarnation(cluster: Cluster) -> str:
    """The keys of the cluster, as its servers tell them: one, unless it has fallen apart.

    A key is drawn anew whenever a server comes, goes or starts again, and only then can an answered write get lost
    (https://aerospike.com/docs/database/reference/metrics/#node_stats__cluster_key).
    """
    keys = set[str]()
    for text in cluster.tell("statistics").values():
        found = dict(part.partition("=")[::2] for part in text.split(";"))
        keys.add(found.get("cluster_key", ""))
    return ",".join(sorted(keys))
