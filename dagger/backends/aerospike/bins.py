"""How a record looks in Aerospike: its bins, its indexes, and how long it is kept.

A record has the version (`v`) and the data (`d`); what has a version and no data is a tombstone. The rest is there for
what it says only: the key in words (`k`), since Aerospike keeps a hash of it; when its timer is due, exactly (`at`) and
as the index has it (`due`); the partition in which a task of it runs (`busy`); and what it is listed by (`by`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
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
"""The index has a time in milliseconds below the number of its partition: enough for 8,900 years, and for
32,768 partitions."""
TIME_MAX: Final = (1 << TIME_BITS) - 1
MILLISECOND: Final = 1_000
"""In microseconds."""


class Index(msgspec.Struct, frozen=True):
    """A secondary index: over numbers, or over the numbers in lists."""

    bin: str
    lists: bool = False

    def name(self, prefix: str) -> str:
        """Its name, which is one for the whole namespace."""
        return f"{prefix}.{self.bin}"


INDEXES: Final = (Index(DUE), Index(BUSY), Index(BY, lists=True))


class Lifetimes(msgspec.Struct, frozen=True):
    """How long what has no life any more is kept, in seconds."""

    ended: int
    tombstone: int


def lifetimes_of(options: AerospikeOptions) -> Lifetimes:
    """One record can't shrink by itself: what ended stays as it is for as long as its version must be remembered."""
    tombstone = math.ceil(options.deleted)
    return Lifetimes(max(math.ceil(options.finished), tombstone), tombstone)


def pins_of(prefix: str) -> str:
    """The set of the pins; no prefix can end like that."""
    return f"{prefix}~pin"


def due_from(partition: int, time: int) -> int:
    """The place of a time, in microseconds, in the index; times before 1970 are taken for it."""
    return partition << TIME_BITS | min(max(time, 0) // MILLISECOND, TIME_MAX)


def change_of(write: Write, lifetimes: Lifetimes) -> ConditionalWrite:
    """What a write asks for."""
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
    """The numbers by which an instance is found: by each of its traits, and by the pair that is asked for most."""
    template, status, key = listing.template, listing.status, listing.key
    return (
        _number(),
        _number("template", template),
        _number("status", status),
        _number("both", template, status),
        _number("key", key),
    )


def wanted_by(query: Query) -> tuple[int, Sequence[int]]:
    """The number to look for, that of the fewest, and those which the found must have besides."""
    template, status, key = query.template, query.status, query.key
    parts = list[int]()
    if key is not None:
        parts.append(_number("key", key))
    if template is not None and status is not None:
        parts.append(_number("both", template, status))
    elif template is not None:
        parts.append(_number("template", template))
    elif status is not None:
        parts.append(_number("status", status))
    return (parts[0], parts[1:]) if parts else (_number(), ())


@lru_cache(maxsize=4096)
def _number(*parts: str) -> int:
    """A hash, as an index has it: a signed number of 64 bits. All but those of keys are the same again and again."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
