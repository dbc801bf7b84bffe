"""What is seen to when a store is opened: the namespace is as this store needs it, and the indexes are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from dagger.backends.aerospike.bins import DATA, INDEXES, VERSION, Index
from dagger.backends.aerospike.cluster import Absent, AerospikeCluster, ConditionalWrite, VersionIs
from dagger.backends.aerospike.options import AerospikeOptions
from dagger.backends.aerospike.verified_write import verified_write
from dagger.errors import BackendError, BackendUnavailable

RECORD_MAX: Final = 1024 * 1024
"""How large a record may be where a server has its default."""
RECORD_MIN: Final = 64 * 1024
"""Less than that is of no use."""
SPARE: Final = 16
"""Of a record, one part of so many is for what is not data: bins, key, header; the failure of what grew too large."""
PROBE: Final = "~probe"
"""The name of a pin that nobody else has."""


def data_size_max(record_max: int) -> int:
    """How much data fits into a record, in bytes."""
    return record_max - record_max // SPARE


def check(cluster: AerospikeCluster, options: AerospikeOptions) -> int:
    """See to the namespace; gives how much data fits into a record, in bytes. Raises BackendError."""
    sizes = list[int]()
    for node, names in cluster.info("namespaces").items():
        if options.namespace not in names.split(";"):
            raise BackendError(
                f"Aerospike at {options.place}: its node {node} has no namespace '{options.namespace}' (there are: "
                f"{names.replace(';', ', ')}); configure it, or write another in the URL"
            )
    for node, text in _ask(
        cluster, "get-config:context=namespace;", options.namespace, "nsup-period", older="id"
    ).items():
        sizes.append(_check(f"the namespace '{options.namespace}' of the node {node} at {options.place}", _pairs(text)))
    if not sizes:
        raise BackendUnavailable(f"Aerospike at {options.place}: no node answers")
    return data_size_max(min(sizes))


def probe(cluster: AerospikeCluster, set_name: str, place: str) -> None:
    """See that a condition is kept, with a record of our own: some clients send none, and all is lost without a word.

    Raises BackendError where it is not, and BackendUnavailable where nothing can be written now.
    """
    verified_write(cluster, set_name, [ConditionalWrite(PROBE, Absent(), {VERSION: 1, DATA: b""})])
    (made,) = verified_write(cluster, set_name, [ConditionalWrite(PROBE, VersionIs(2), {VERSION: 2, DATA: b""})])
    if made:
        raise BackendError(
            f"Aerospike at {place}: a write was made whose condition does not hold; the package aerospike is older "
            "than 19, or the servers are older than 6.0: upgrade them"
        )


def _ask(
    cluster: AerospikeCluster, command: str, namespace: str, word: str, *, older: str, rest: str = ""
) -> Mapping[str, str]:
    """What the nodes answer to a question about a namespace; again by its older name, where a word is not in it."""
    found = cluster.info(f"{command}namespace={namespace}{rest}")
    if all(word in text for text in found.values()):
        return found
    return cluster.info(f"{command}{older}={namespace}{rest}")


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


def index(cluster: AerospikeCluster, namespace: str, prefix: str) -> str:
    """Make the indexes that are missing; gives what must be waited for, in words: nothing once all can be asked."""
    try:
        _make(cluster, prefix, _missing(cluster, namespace, prefix))
    except BackendUnavailable as error:  # all nodes must agree to it, which may take longer than a call
        return str(error)
    for wanted in INDEXES:
        name = wanted.name(prefix)
        answers = _ask(cluster, "sindex-stat:", namespace, "load_pct", older="ns", rest=f";indexname={name}")
        done = [_pairs(text).get("load_pct", "0") for text in answers.values()]
        if not done or any(part != "100" for part in done):
            return f"the secondary index {name} is still being built ({', '.join(done)} %)"
    return ""


def _make(cluster: AerospikeCluster, prefix: str, missing: Sequence[Index]) -> None:
    """All at once: the client takes seconds for each."""

    def make(wanted: Index) -> None:
        cluster.make_index(prefix, wanted.bin, wanted.name(prefix), lists=wanted.lists)

    with ThreadPoolExecutor(len(INDEXES)) as threads:
        for _ in threads.map(make, missing):
            pass


def _missing(cluster: AerospikeCluster, namespace: str, prefix: str) -> list[Index]:
    """The indexes that not every node has."""
    there = list[set[str]]()
    for text in _ask(cluster, "sindex-list:", namespace, "indexname", older="ns").values():
        entries = [_pairs(entry, ":") for entry in text.split(";")]
        there.append({entry.get("indexname", "") for entry in entries})
    return [wanted for wanted in INDEXES if not all(wanted.name(prefix) in names for names in there)]


def incarnation(cluster: AerospikeCluster) -> str:
    """The keys of the cluster, as its servers tell them: one, unless it has fallen apart.

    A key is drawn anew whenever a server comes, goes or starts again, and only then can an answered write get lost
    (https://aerospike.com/docs/database/reference/metrics/#node_stats__cluster_key).

    Raises BackendUnavailable where no server answers.
    """
    keys = {_pairs(text).get("cluster_key", "") for text in cluster.info("statistics").values()} - {""}
    if not keys:  # no answer is no other cluster
        raise BackendUnavailable("Aerospike does not tell which cluster it is: no node answers")
    return ",".join(sorted(keys))
