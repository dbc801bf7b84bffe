"""The rows of a store, the properties by which they are found, and queries."""

from __future__ import annotations

import msgspec


class Listing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The properties by which instances are found."""

    template: str
    status: str
    key: str
    created: int
    parent: str = ""
    """The id of the instance whose step started it; empty if there is none."""


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
    """When the instance in it ended, in microseconds; a store may delete the row later. None while it lives."""
    index_changed: bool = True
    """Whether an indexed property (`due`, `busy`, `listing`, `ended`) may have changed since the previous version."""


class Query(msgspec.Struct, frozen=True, gc=False):
    """A query for instances: all that match the given properties, ordered by id, after `after`."""

    template: str | None = None
    status: str | None = None
    key: str | None = None
    limit: int = 100
    after: str | None = None
    parent: str | None = None
    """The id of the instance whose steps started them; empty for those that have no parent."""
