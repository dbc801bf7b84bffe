"""What a store keeps: rows, what they are found by, and queries."""

from __future__ import annotations

import msgspec


class Listing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What instances are found by."""

    template: str
    status: str
    key: str
    created: int


class Row(msgspec.Struct, frozen=True, gc=False):
    """A stored record and its version."""

    version: int
    data: bytes


class Write(msgspec.Struct, frozen=True, gc=False):
    """A record to be written, if the stored version is `version` (0: there is none); it becomes `next`."""

    key: str
    partition: int
    version: int
    next: int
    data: bytes | None
    """None deletes the record."""
    due: int | None = None
    """When a timer of it is due, in microseconds; None if it has none."""
    busy: bool = False
    """Whether a task of it runs."""
    listing: Listing | None = None
    ended: int | None = None
    """When the last that lives in it ended, in microseconds: a store may delete it later. None while it lives."""
    index_changed: bool = True
    """Whether what it is found by (`due`, `busy`, `listing`, `ended`) may be another than in the version before."""


class Query(msgspec.Struct, frozen=True, gc=False):
    """Which instances are wanted: all that match what is set, ordered by id, after `after`."""

    template: str | None = None
    status: str | None = None
    key: str | None = None
    limit: int = 100
    after: str | None = None
