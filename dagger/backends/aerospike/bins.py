"""The layout of records in Aerospike: bins, indexes and time to live.

A record has a version (`v`) and data (`d`). A record with a version and no data is a tombstone. The other bins are for
queries: the key as text (`k`), because Aerospike keeps only its hash; the time of its timer, exactly (`at`) and as it
is indexed (`due`); the partition, if a task runs (`busy`); and the hashes by which it is listed (`by`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from dagger.backends.aerospike.cluster import KEEP, NEVER, AbsentOrTombstone, Condition, ConditionalWrite, VersionIs
from dagger.backends.aerospike.options import AerospikeOptions
from dagger.engine.ports import Listing, Query, Write

VERSION: Final = "v"
DATA: Final = "d"
KEY: Final = "k"
AT: Final = "at"
DUE: Final = "due"
BUSY: Final = "busy"
BY: Final = "by"
NONCE: Final = "n"

TIME_BITS: Final = 48
"""An index entry has the partition in the upper bits and the time in milliseconds in the lower ones. This is enough for
32,768 partitions and 8,900 years."""
TIME_MAX: Final = (1 << TIME_BITS) - 1
MILLISECOND: Final = 1_000
"""In microseconds."""


class Index(msgspec.Struct, frozen=True):
    """A secondary index: over numbers, or over the numbers in lists."""

    bin: str
    lists: bool = False

    def name(self, prefix: str) -> str:
        """Its name, which is unique in the namespace."""
        return f"{prefix}.{self.bin}"


INDEXES: Final = (Index(DUE), Index(BUSY), Index(BY, lists=True))


class Lifetimes(msgspec.Struct, frozen=True):
    """How long ended instances and tombstones are kept, in seconds."""

    ended: int
    tombstone: int


def lifetimes_of(options: AerospikeOptions) -> Lifetimes:
    """An ended instance is kept as long as its version must be remembered, because a record can't shrink by itself."""
    tombstone = math.ceil(options.deleted)
    return Lifetimes(max(math.ceil(options.finished), tombstone), tombstone)


def pins_of(prefix: str) -> str:
    """The set of the pins; no prefix can end like that."""
    return f"{prefix}~pin"


def due_from(partition: int, time: int) -> int:
    """The index entry of a time in microseconds; times before 1970 count as 1970."""
    return partition << TIME_BITS | min(max(time, 0) // MILLISECOND, TIME_MAX)


def change_of(write: Write, lifetimes: Lifetimes) -> ConditionalWrite:
    """The conditional write for a write of the port."""
    condition: Condition = VersionIs(write.version) if write.version else AbsentOrTombstone(write.next)
    if write.data is None:
        return ConditionalWrite(write.key, condition, {VERSION: write.next}, ttl=lifetimes.tombstone)
    bins: dict[str, int | bytes | list[int]] = {VERSION: write.next, DATA: write.data}
    if not write.index_changed and write.version:
        return ConditionalWrite(write.key, condition, bins, whole=False, ttl=KEEP)
    bins[KEY] = write.key.encode()
    if write.due is not None:
        bins[AT] = write.due
        bins[DUE] = due_from(write.partition, write.due)
    if write.busy:
        bins[BUSY] = write.partition
    if write.listing is not None:
        bins[BY] = list(listed_by(write.listing))
    return ConditionalWrite(write.key, condition, bins, ttl=NEVER if write.ended is None else lifetimes.ended)


def listed_by(listing: Listing) -> tuple[int, ...]:
    """The hashes by which an instance is listed: of each property, and of the pair that is queried most."""
    template, status, key = listing.template, listing.status, listing.key
    of_parent = (_CHILD, _number("parent", listing.parent)) if listing.parent else ()
    return (
        _number(),
        _number("template", template),
        _number("status", status),
        _number("both", template, status),
        _number("key", key),
        *of_parent,
    )


class Wanted(msgspec.Struct, frozen=True):
    """The hashes by which the instances of a query are found."""

    number: int
    """The most selective one, by which the index is asked."""
    besides: frozenset[int] = frozenset()
    """The others that a match must have."""
    without: frozenset[int] = frozenset()
    """Those that it must not have."""

    @property
    def is_exact(self) -> bool:
        """Whether all that the index gives are matches."""
        return not (self.besides or self.without)

    def matches(self, by: Iterable[int]) -> bool:
        """Whether a record that the index gives, which is listed by these hashes, is a match."""
        return self.is_exact or (self.besides.issubset(by) and self.without.isdisjoint(by))


def wanted_by(query: Query) -> Wanted:
    """The hashes that a match of a query must have, and those that it must not have."""
    template, status, key = query.template, query.status, query.key
    parts = list[int]()
    if query.parent:
        parts.append(_number("parent", query.parent))
    if key is not None:
        parts.append(_number("key", key))
    if template is not None and status is not None:
        parts.append(_number("both", template, status))
    elif template is not None:
        parts.append(_number("template", template))
    elif status is not None:
        parts.append(_number("status", status))
    number, *besides = parts or [_number()]
    return Wanted(number, frozenset(besides), frozenset([_CHILD] if query.parent == "" else []))


@lru_cache(maxsize=4096)
def _number(*parts: str) -> int:
    """A hash as a signed 64-bit number. All hashes except those of keys repeat, so they are cached."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


_CHILD: Final = _number("child")
"""The hash by which all instances are listed that have a parent."""
