"""What a stored state means by the numbers in it: the signature of a plan.

A state refers to operations and to rows of the outcome table by their numbers. So what the compiler lays out is a
durable format: a state can be read only by a plan in which the same numbers mean the same. The signature says so. It
is made of each operation's kind, path, row, successor and owner, and of whatever the frames at it rely on: which bound
it is, which group and of how many branches, which channel, and how the values on its edges are stored.

What may change under a running instance is left out: functions, durations, limits, the topic of a command, and the
order in which a switch is asked. The fields of a class may change too, as far as what is stored can still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

from dagger.plan import ops
from dagger.plan.shapes import Typed

COMPILER: Final = 2
"""Counts the ways in which templates are laid out. It goes up when the compiler lays out operations in another way."""


def signature_of(table: Sequence[ops.Op], rows: Sequence[tuple[str, str, int]]) -> int:
    """A digest of 8 bytes. `rows` are those of the outcome table: path, kind, and the row around.

    The kinds of operations have names of their own here, so that no class can be renamed by mistake.
    """
    digest = blake2b(f"compiler {COMPILER}".encode(), digest_size=8)
    for line in (*map(line_of, table), *(f"row {kind} {around} {path}" for path, kind, around in rows)):
        digest.update(f"\n{line}".encode())
    return int.from_bytes(digest.digest()) or 1


def line_of(op: ops.Op) -> str:
    """One operation, as the signature reads it."""
    kind, details = _KINDS[type(op)]
    return " ".join([kind, str(op.slot), str(op.next), str(op.owner), *details(op), f"<{op.shape.stored}>", op.path])


def _nothing(op: ops.Op) -> list[str]:
    return []


def _listen(op: ops.Listen) -> list[str]:
    again = "" if op.again is None else f" again {op.again.stored}"
    by = "computed" if op.on is not None else "own"
    return [f"{op.channel!r} {by} gives {op.out.name}{again} repeats {op.repeats:d}"]


def _run(op: ops.Task | ops.Retype) -> list[str]:
    return [f"gives {op.out.name}"]


def _call(op: ops.Call) -> list[str]:
    return [f"{op.template!r} version {op.version} takes {op.takes.stored} gives {op.gives.stored}"]


def _scope(op: ops.Scope) -> list[str]:
    triggers = [f"{_WHEN[type(one.when)]} {one.effect} {one.start}" for one in op.triggers]
    return [*triggers, *(["keeps"] if op.keeps else []), *(["follows"] if op.follows else [])]


def _fork(op: ops.Fork) -> list[str]:
    return [f"{op.kind} {op.needed} or {op.spare} of {','.join(map(str, op.branches))} to {op.exit}"]


def _numbered(op: ops.Branch | ops.Join) -> list[str]:
    return [str(op.number)]


def _choose(op: ops.Choose) -> list[str]:
    return [f"default {op.default}"]


def _merge(op: ops.Merge) -> list[str]:
    return [str(op.tag)]


def _spread(op: ops.Spread) -> list[str]:
    lost = [f"failures to {op.lost}"] if op.lost >= 0 else []
    return [f"{op.body} to {op.exit} each {Typed(op.item).stored}", *lost]


_WHEN: Final[dict[type[ops.When], str]] = {
    ops.After: "after",
    ops.InnerFailure: "failure",
    ops.Stopped: "stop",
    ops.GivenUp: "given up",
    ops.Ended: "end",
    ops.SaysAgain: "again",
    ops.MessageArrives: "message",
}
"""The names of what triggers, of their own too."""

_KINDS: Final[dict[type[ops.Op], tuple[str, Callable[[Any], list[str]]]]] = {
    ops.Publish: ("command", _nothing),
    ops.Listen: ("listen", _listen),
    ops.Task: ("task", _run),
    ops.Pause: ("sleep", _nothing),
    ops.Call: ("call", _call),
    ops.Apply: ("then", _nothing),
    ops.Retype: ("retype", _run),
    ops.Enter: ("enter", _nothing),
    ops.Leave: ("leave", _nothing),
    ops.Scope: ("scope", _scope),
    ops.Close: ("close", _nothing),
    ops.HandOver: ("hand over", _nothing),
    ops.Aside: ("aside", _nothing),
    ops.Done: ("done", _nothing),
    ops.Fork: ("fork", _fork),
    ops.Branch: ("branch", _numbered),
    ops.Join: ("join", _numbered),
    ops.Choose: ("switch", _choose),
    ops.Merge: ("merge", _merge),
    ops.Spread: ("spread", _spread),
    ops.Gather: ("gather", _nothing),
    ops.Lose: ("lose", _nothing),
    ops.End: ("end", _nothing),
}
