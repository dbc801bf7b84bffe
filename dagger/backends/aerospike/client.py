"""The cluster, accessed with the official client.

The client is a synchronous extension module, which releases the interpreter lock while it waits for the network. It
never repeats a write: a write without an answer is resolved by its caller, by reading.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from dagger.backends.aerospike.cluster import (
    KEEP,
    NEVER,
    Absent,
    AbsentOrTombstone,
    Bins,
    Condition,
    ConditionalWrite,
    DataIs,
    Range,
    VersionIs,
    Where,
    WriteOutcome,
    WriteResult,
)
from dagger.backends.aerospike.errors import NOT_FOUND, OK, describe, result_of, translate
from dagger.backends.aerospike.options import AerospikeOptions
from dagger.errors import BackendError, BackendUnavailable

BATCH_MAX: Final = 1_000
"""How many records go into one call; a server takes 5,000 by default."""
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
"""About how much data goes into one call."""
RETRIES_MAX: Final = 3
"""How often the client retries reads."""
_INDEX_FOUND: Final = 200
_LOOSE: Final = -1
"""The code for errors without one."""
_HOLE: Final = object()
"""Stands for the value in an expression."""


class OfficialCluster:
    """An `AerospikeCluster` by the package `aerospike`, which is imported when it is opened."""

    def __init__(self, options: AerospikeOptions) -> None:
        self._options = options
        self._client: Any = None

    def open(self) -> None:
        try:
            self._aerospike: Any = importlib.import_module("aerospike")
            self._records: Any = importlib.import_module("aerospike_helpers.batch.records")
            self._operations: Any = importlib.import_module("aerospike_helpers.operations.operations")
            self._predicates: Any = importlib.import_module("aerospike.predicates")
            self._expressions = Expressions()
            self._error: type[Exception] = importlib.import_module("aerospike.exception").AerospikeError
        except ImportError as error:
            raise BackendError(
                f"aerospike:// cannot load the package aerospike ({error}); pip install 'dagger-workflow[aerospike]'"
            ) from error
        self._check_files()
        try:
            self._client = self._aerospike.client(self._config()).connect()
        except self._error as error:
            raise self._translated(error) from None

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def info(self, command: str) -> Mapping[str, str]:
        found: dict[str, tuple[Any, str | None]] = self._call(lambda: self._connected().info_all(command))
        return {node: (text or "").strip() for node, (_, text) in found.items()}

    def make_index(self, set_name: str, bin: str, name: str, *, lists: bool) -> None:
        client, kind, space = self._connected(), self._aerospike.INDEX_NUMERIC, self._options.namespace
        try:
            if lists:
                client.index_list_create(space, set_name, bin, kind, name)
            elif hasattr(client, "index_single_value_create"):  # since client 19.1, which deprecates the other one
                client.index_single_value_create(space, set_name, bin, kind, name)
            else:
                client.index_integer_create(space, set_name, bin, name)
        except self._error as error:
            if _code(error) != _INDEX_FOUND:
                raise self._translated(error) from None

    def get(self, set_name: str, keys: Sequence[str], bins: Sequence[str]) -> Sequence[Bins | None]:
        found = list[Bins | None]()
        policy = {**self._policy(), "max_retries": RETRIES_MAX, "replica": self._aerospike.POLICY_REPLICA_MASTER}
        for start in range(0, len(keys), BATCH_MAX):
            wanted = [self._key(set_name, key) for key in keys[start : start + BATCH_MAX]]
            answers = self._call(partial(self._connected().batch_read, wanted, list(bins), policy))
            for record in answers.batch_records:
                if record.result not in (OK, NOT_FOUND):
                    raise translate(record.result, self._options.place)
                found.append(record.record[2] if record.result == OK else None)
        return found

    def put(self, set_name: str, changes: Sequence[ConditionalWrite]) -> Sequence[WriteResult]:
        return [answer for some in _batches(changes) for answer in self._put(set_name, some)]

    def query(
        self, set_name: str, where: Where, bins: Sequence[str], visit: Callable[[Bins], None], limit: int | None = None
    ) -> bool:
        query = self._connected().query(self._options.namespace, set_name)
        if bins:
            query.select(*bins)
        policy = {**self._policy(), "max_retries": RETRIES_MAX}
        if isinstance(where, Range):
            query.where(self._predicates.between(where.bin, where.low, where.high))
        else:
            query.where(self._predicates.contains(where.bin, self._aerospike.INDEX_TYPE_LIST, where.number))
        if limit is None:
            policy["total_timeout"] = 0  # unlimited, as the socket timeout bounds each part

            def each(record: tuple[Any, Any, Bins]) -> None:
                visit(record[2])

            self._call(lambda: query.foreach(each, policy, {"nobins": not bins}))
            return True
        query.max_records = limit
        query.paginate()
        for record in self._call(lambda: query.results(policy)):
            visit(record[2])
        return bool(query.is_done())

    def _put(self, set_name: str, changes: Sequence[ConditionalWrite]) -> list[WriteResult]:
        writes = [self._write(set_name, change) for change in changes]
        try:
            answers = self._connected().batch_write(
                self._records.BatchRecords(writes), {**self._policy(), "max_retries": 0}
            )
        except self._error as error:
            return [WriteResult(WriteOutcome.IN_DOUBT, describe(_code(error)))] * len(changes)
        return [result_of(record.result, in_doubt=record.in_doubt) for record in answers.batch_records]

    def _write(self, set_name: str, change: ConditionalWrite) -> Any:
        kinds, ttl = self._aerospike, change.ttl
        if ttl == NEVER:
            ttl = kinds.TTL_NEVER_EXPIRE
        elif ttl == KEEP:
            ttl = kinds.TTL_DONT_UPDATE
        policy = {"ttl": ttl, "commit_level": kinds.POLICY_COMMIT_LEVEL_ALL}
        match change.condition:
            case AbsentOrTombstone():  # without a record the expression is not evaluated
                policy["exists"] = kinds.POLICY_EXISTS_CREATE_OR_REPLACE
            case Absent():
                policy["exists"] = kinds.POLICY_EXISTS_CREATE
            case VersionIs() | DataIs():
                policy["exists"] = kinds.POLICY_EXISTS_REPLACE if change.whole else kinds.POLICY_EXISTS_UPDATE
        expression = self._expressions.of(change.condition)
        if expression is not None:
            policy["expressions"] = expression
        operations = [self._operations.write(name, value) for name, value in change.bins.items()]
        return self._records.Write(self._key(set_name, change.key), operations, policy=policy)

    def _key(self, set_name: str, key: str) -> tuple[str, str, bytearray]:
        """As bytes, because the C client would end text at its first zero byte."""
        return (self._options.namespace, set_name, bytearray(key.encode()))

    def _connected(self) -> Any:
        if self._client is None:
            raise BackendUnavailable(f"Aerospike at {self._options.place}: it is not open")
        return self._client

    def _policy(self) -> dict[str, Any]:
        milliseconds = max(1, int(self._options.timeout * 1_000))
        return {"total_timeout": milliseconds, "socket_timeout": milliseconds}

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._error as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> BackendError:
        return translate(_code(error), self._options.place)

    def _check_files(self) -> None:
        """Check the files here: the client would only say that it can't connect."""
        for name in ("ca", "cert", "key"):
            path: str | None = getattr(self._options, name)
            if path is not None and not os.access(path, os.R_OK):
                raise BackendError(f"aerospike://: {name}={path} can't be read; give a file that this user may read")

    def _config(self) -> dict[str, Any]:
        options = self._options
        tls_name = (options.tls_name,) if options.tls_name else ()
        policy = {**self._policy(), "max_retries": RETRIES_MAX}
        config: dict[str, Any] = {
            "hosts": [(host.name, host.port, *tls_name) for host in options.hosts],
            "use_services_alternate": options.alternate,
            "policies": {
                "read": policy,
                "info": {"timeout": policy["total_timeout"]},
                "auth_mode": getattr(self._aerospike, f"AUTH_{options.auth.upper()}"),
            },
        }
        if options.user is not None:
            config |= {"user": options.user, "password": str(options.password or "")}
        if options.tls:
            given = {"cafile": options.ca, "certfile": options.cert, "keyfile": options.key}
            config["tls"] = {"enable": True, **{name: path for name, path in given.items() if path}}
        return config


class Expressions:
    """Conditions as expressions, which the server evaluates while it locks the record. Each is compiled once."""

    def __init__(self) -> None:
        exp: Any = importlib.import_module("aerospike_helpers.expressions.base")
        version, data, hole = exp.IntBin("v"), exp.BinExists("d"), exp.Val(_HOLE)
        self._is = _Template(exp.And(exp.Eq(version, hole), data).compile())
        self._fresh = _Template(exp.And(exp.Not(data), exp.LT(version, hole)).compile())
        self._holds = _Template(exp.Eq(exp.BlobBin("d"), hole).compile())

    def of(self, condition: Condition) -> Any:
        match condition:
            case VersionIs():
                return self._is.filled(condition.version)
            case AbsentOrTombstone():
                return self._fresh.filled(condition.next)
            case DataIs():
                return self._holds.filled(condition.data)
            case Absent():
                return None


class _Template:
    """A compiled expression: a list of tuples of operation, type, fixed values, and the number of parts that follow."""

    def __init__(self, expression: Sequence[tuple[int, Any, dict[str, Any] | None, int]]) -> None:
        holes = [
            (at, name)
            for at, part in enumerate(expression)
            for name, value in (part[2] or {}).items()
            if value is _HOLE
        ]
        ((self._at, self._name),) = holes
        self._expression = list(expression)

    def filled(self, value: int | bytes) -> list[Any]:
        """The expression with a value in place of the placeholder."""
        found = self._expression.copy()
        operation, kind, _, parts = found[self._at]
        found[self._at] = (operation, kind, {self._name: value}, parts)
        return found


def _batches(changes: Sequence[ConditionalWrite]) -> list[list[ConditionalWrite]]:
    """The writes in few batches of limited size."""
    batches, size = [list[ConditionalWrite]()], 0
    for change in changes:
        weight = len(data) if isinstance(data := change.bins.get("d"), bytes) else 0
        if batches[-1] and (len(batches[-1]) == BATCH_MAX or size + weight > BATCH_BYTES_MAX):
            batches.append([])
            size = 0
        batches[-1].append(change)
        size += weight
    return batches


def _code(error: Exception) -> int:
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else _LOOSE
