"""A template compiled once: flat tables that the core runs without walking trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dagger.codecs import TypeCodec
from dagger.dsl.topics import Topic
from dagger.plan.keys import key_text
from dagger.plan.ops import Listen, Op, Pure
from dagger.plan.shapes import Shape


class Limits(msgspec.Struct, frozen=True):
    """Bounds that the core keeps to."""

    early_count: int = 16
    """How many early messages are kept for one listener."""
    early_us: int = 7 * 24 * 3600 * 1_000_000
    """How long an early message is kept, in microseconds."""
    hold: bool = False
    """Whether a message that nobody takes any more is kept too, for whoever comes next to its key."""
    parked_count: int = 1_000
    """How many events are parked at a key."""
    parked_bytes: int = 256 * 1024
    """How much data they carry, in bytes; one of any size is parked if it is alone."""


class Channel(msgspec.Struct, frozen=True):
    """A stream of messages as listeners match it: a topic, and how keys are taken from its messages."""

    name: str
    topic: Topic[Any]
    by: Pure | None
    """Computes the keys of a message; None is the topic's key."""


class Plan(msgspec.Struct, frozen=True):
    """One template, compiled. Equal templates give equal tables but for the identity of their functions."""

    template: str
    version: int
    fingerprint: str
    signature: int
    """What stored states mean by the numbers of operations and rows: a state can be read by plans of its own one."""
    ops: tuple[Op, ...]
    paths: tuple[str, ...]
    """The path of each row of the outcome table, in the order written."""
    kinds: tuple[str, ...]
    """What each of these steps is: `command`, `listener`, `task`, ..."""
    owners: tuple[int, ...]
    """For each row of the outcome table, the row around it, -1 for none."""
    takes: TypeCodec[Any]
    gives: Shape
    key: Pure
    channels: Mapping[str, Channel]
    """Every channel that a listener waits on."""
    open_channels: frozenset[str]
    """The channels that some listener awaits by the business key."""
    listeners: Mapping[str, tuple[Listen, ...]]
    """The listeners of each channel (signals too)."""
    signals: Mapping[str, TypeCodec[Any]]
    """How the values of each signal are stored."""
    limits: Limits
    undoes: bool = False
    """Whether something may have to be run, or waited for, where something is given up."""

    def key_of(self, value: object) -> str:
        """The business key of an input; raises MissingKey, or what the key function raises."""
        return key_text(self.key(value))
