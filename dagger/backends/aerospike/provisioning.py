"""Checks the namespace and creates the indexes when a store is opened."""

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
"""The default maximum size of a record."""
RECORD_MIN: Final = 64 * 1024
"""The smallest maximum that this store accepts."""
SPARE: Final = 16
"""One part in this many of a record is reserved: for bins, key and header, and the failure of a value too large."""
PROBE: Final = "~probe"
"""The name of a pin that is reserved for this check."""


def data_size_max(record_max: int) -> int:
    """How much data fits into a record, in bytes."""
    return record_max - record_max // SPARE


def check(cluster: AerospikeCluster, options: AerospikeOptions) -> int:
    """Check the namespace; returns how much data fits into a record, in bytes. Raises BackendError."""
    sizes = list[int]()
    for node, names in cluster.info("namespaces").items():
        if options.namespace not in names.split(";"):
            raise BackendError(
                f"Aerospike at {options.place}: its node {node} has no namespace '{options.namespace}' (there are: "
                f"{names.replace(';', ', ')}); configure it, or change the namespace in the URL"
            )
    for node, text in _ask(
        cluster, "get-config:context=namespace;", options.namespace, "nsup-period", older="id"
    ).items():
        sizes.append(_check(f"the namespace '{options.namespace}' of the node {node} at {options.place}", _pairs(text)))
    if not sizes:
        raise BackendUnavailable(f"Aerospike at {options.place}: no node answers")
    return data_size_max(min(sizes))


def probe(cluster: AerospikeCluster, set_name: str, place: str) -> None:
    """Check with a record of our own that conditions are evaluated: some clients silently send none.

    Raises BackendError if they are not, and BackendUnavailable if nothing can be written now.
    """
    verified_write(cluster, set_name, [ConditionalWrite(PROBE, Absent(), {VERSION: 1, DATA: b""})])
    (made,) = verified_write(cluster, set_name, [ConditionalWrite(PROBE, VersionIs(2), {VERSION: 2, DATA: b""})])
    if made:
        raise BackendError(
            f"Aerospike at {place}: a write succeeded although its condition does not hold; the package aerospike is "
            "older than 19, or the servers are older than 6.0: upgrade them"
        )


def _ask(
    cluster: AerospikeCluster, command: str, namespace: str, word: str, *, older: str, rest: str = ""
) -> Mapping[str, str]:
    """The answers of the nodes to an info command about a namespace; in its older syntax if a word is missing."""
    found = cluster.info(f"{command}namespace={namespace}{rest}")
    if all(word in text for text in found.values()):
        return found
    return cluster.info(f"{command}{older}={namespace}{rest}")


def _check(place: str, config: Mapping[str, str]) -> int:
    if config.get("nsup-period") == "0" and config.get("allow-ttl-without-nsup") != "true":
        raise BackendError(f"{place} has nsup-period 0, so that nothing can expire; set it, for example to 120")
    if config.get("apply-ttl-reductions") == "false":
        raise BackendError(f"{place} has apply-ttl-reductions false, so that nothing ever expires; set it to true")
    limits = [config.get(name, "0") for name in ("max-record-size", "storage-engine.write-block-size")]
    size = min((int(limit) for limit in limits if limit.isdigit() and int(limit)), default=RECORD_MAX)
    if size < RECORD_MIN:
        raise BackendError(f"{place} has max-record-size {size:,}; set it to at least {RECORD_MIN:,}, or better to 1M")
    return size


def _pairs(text: str, separator: str = ";") -> dict[str, str]:
    parts = [pair.partition("=") for pair in text.split(separator)]
    return {name: value for name, equals, value in parts if equals}


def index(cluster: AerospikeCluster, namespace: str, prefix: str) -> str:
    """Create missing indexes; returns a text about what is still pending, which is empty once all can be queried."""
    try:
        _make(cluster, prefix, _missing(cluster, namespace, prefix))
    except BackendUnavailable as error:  # all nodes must agree, which may take longer than a call
        return str(error)
    for wanted in INDEXES:
        name = wanted.name(prefix)
        answers = _ask(cluster, "sindex-stat:", namespace, "load_pct", older="ns", rest=f";indexname={name}")
        done = [_pairs(text).get("load_pct", "0") for text in answers.values()]
        if not done or any(part != "100" for part in done):
            return f"the secondary index {name} is still being built ({', '.join(done)} %)"
    return ""


def _make(cluster: AerospikeCluster, prefix: str, missing: Sequence[Index]) -> None:
    """Create them concurrently, because the client takes seconds for each."""

    def make(wanted: Index) -> None:
        cluster.make_index(prefix, wanted.bin, wanted.name(prefix), lists=wanted.lists)

    with ThreadPoolExecutor(len(INDEXES)) as threads:
        for _ in threads.map(make, missing):
            pass


def _missing(cluster: AerospikeCluster, namespace: str, prefix: str) -> list[Index]:
    """The indexes that are missing on some node."""
    there = list[set[str]]()
    for text in _ask(cluster, "sindex-list:", namespace, "indexname", older="ns").values():
        entries = [_pairs(entry, ":") for entry in text.split(";")]
        there.append({entry.get("indexname", "") for entry in entries})
    return [wanted for wanted in INDEXES if not all(wanted.name(prefix) in names for names in there)]


def incarnation(cluster: AerospikeCluster) -> str:
    """The cluster keys that the servers report: a single one, unless the cluster is split.

    The key changes whenever a server joins, leaves or restarts, and only then can an acknowledged write get lost
    (https://aerospike.com/docs/database/reference/metrics/#node_stats__cluster_key).

    Raises BackendUnavailable if no server answers.
    """
    keys = {_pairs(text).get("cluster_key", "") for text in cluster.info("statistics").values()} - {""}
    if not keys:  # no answer does not mean another cluster
        raise BackendUnavailable("Aerospike does not report its cluster key: no node answers")
    return ",".join(sorted(keys))
