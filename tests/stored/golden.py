"""A value of everything that is stored, and its bytes as files: `python -m tests.stored.golden` writes them anew.

The bytes of format-2.txt are what running applications have. A change of a line there means that a release no longer
reads, or no longer writes, what the release before it did. A new field goes to the end, with a default: its value is
added to one of the values here, and the other lines change by the default. Every other change needs another number of
the format, and a file of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dagger.backends.kafka.binding import Binding, Source
from dagger.backends.kafka.poison import LaneNote
from dagger.core import events as e
from dagger.core import state as s
from dagger.core.entity import Entity, Given, Revoked
from dagger.core.envelope import Envelope
from dagger.core.format import FORMAT
from dagger.core.head import Head
from dagger.engine.directory import ChannelNote, KnownChannel, decode_channels
from dagger.engine.fanout import Fanout, Kept
from dagger.engine.ports import Append, Outgoing
from dagger.engine.records import Record, StoredEntity, decode_record, decode_stored
from tests.stored import FOLDER

FILE: Final = FOLDER / f"format-{FORMAT}.txt"

TRACE: Final = {"traceparent": "00-1-2-01"}
PARENT: Final = e.Parent("p-1", "PAYMENT/check", 2, 7, 900)
MESSAGE: Final = Envelope("PAYMENTS", "o-1", b'{"id":"o-1"}', "PAYMENTS/m-1", TRACE, b"\x92\xc0\x90")
HEAD: Final = Head("o-1", "Orders", 3, "k-1", b"\x82", 1_000, 0xFEED, TRACE, 2, PARENT)
ERROR: Final = s.Error("ship", "ValueError", "no", ("builtins.ValueError",), True, True, "Traceback ...")
UNDO: Final = s.Undo(4, b"u", 2, "[1]", 5)
OPERATION: Final = s.Operation(9, "stop", "ann", "by mistake", "done", "op-1")
HELD: Final = s.Held(MESSAGE, 99, True, 6)

EVENTS: Final[dict[str, e.Event]] = {
    "submitted": e.Submitted("Orders", 3, "o-1", "k-1", b"\x82", 7, TRACE, 2, PARENT),
    "message received": e.MessageReceived(MESSAGE),
    "message received, with defaults": e.MessageReceived(Envelope("C", "k", b"")),
    "signal received": e.SignalReceived("go", b"\xc3", "s-1", TRACE),
    "task succeeded": e.TaskSucceeded(3, b"\x01", TRACE),
    "task failed": e.TaskFailed(3, "ValueError", "no", ("builtins.ValueError",), True, "Traceback ...", TRACE),
    "timer due": e.TimerDue(),
    "stop requested": e.StopRequested(),
    "subscribed": e.Subscribed("other", ("PAYMENTS",), "one"),
    "unsubscribed": e.Unsubscribed("other", ("PAYMENTS",)),
    "message forwarded": e.MessageForwarded(MESSAGE, 99, True),
    "size limit exceeded": e.SizeLimitExceeded("too large"),
    "plan registered": e.PlanRegistered(),
    "message returned": e.MessageReturned(MESSAGE, 99, "other"),
    "child ended": e.ChildEnded(PARENT, "o-1", s.FAILURE, b"\x07", ERROR),
    "child ended, with defaults": e.ChildEnded(e.Parent("p-1", "check"), "o-1", s.STOPPED),
    "call given up": e.CallGivenUp(PARENT, "o-1"),
    "messages handed over": e.MessagesHandedOver(
        "PAYMENTS#Orders/3/paid", "PAYMENTS", 5, (e.RawMessage(7, b"k", None, (("null", None), ("h", b"v")), 2),), 99
    ),
    "unread record": e.UnreadRecord(b"\x93", "it is of format 9"),
}
FRAMES: Final[dict[str, s.Frame]] = {
    "waiting": s.Waiting(1, 2, b"v", "k", True),
    "running": s.Running(1, 2, b"v", 3, TRACE),
    "sleeping": s.Sleeping(1, 2, b"v", 9, TRACE),
    "scoping": s.Scoping(1, 2, b"v", 9, 3, [UNDO], TRACE),
    "gathering": s.Gathering(1, 2, {0: b"v"}, {1: "it failed"}),
    "spreading": s.Spreading(1, 2, [b"a", b"b"], 1, {0: b"v"}, 1),
    "item": s.Item(1, 2, 3),
    "ending, to go on": s.Ending(1, 2, s.GoOn(5, b"v"), [UNDO], 1),
    "ending, to try again": s.Ending(1, 2, s.TryAgain(b"v", 2, 9), [], 0),
    "ending, to end": s.Ending(1, 2, s.EndAs(s.FAILURE, ERROR), [], 0),
    "undoing": s.Undoing(1, 2, "[1]", 7),
    "calling": s.Calling(1, 2, b"v", "o-1/check"),
    "recalling": s.Recalling(1, 2, "o-1/check"),
}
STATE: Final = s.State(
    HEAD,
    8,
    s.FAILURE,
    9,
    20,
    dict(enumerate(FRAMES.values(), start=1)),
    [(2, 1, 5, 6)],
    (b"\x91",),
    {0: ERROR},
    (HELD,),
    ("PAYMENTS/m-0",),
    b"\x07",
    ERROR,
    {3: (0, 1)},
    journal=(OPERATION,),
)
ENTITY: Final = Entity(
    STATE,
    {"PAYMENTS": ("other", "another")},
    (HELD,),
    (EVENTS["submitted"],),
    (Given("PAYMENTS", "PAYMENTS/m-1", 99),),
    {"PAYMENTS": ("other",)},
    (Revoked(PARENT, 99),),
)
OUTBOX: Final[dict[str, Kept]] = {
    "a record": Append(3, b"\x93"),
    "a message": Outgoing("PAYMENTS", b"k", b"v", (("dagger-id", b"m-1"), ("null", None))),
    "a message without anything": Outgoing("PAYMENTS", None, None),
    "a record for many": Fanout(EVENTS["message forwarded"], ("other", "another")),
}
NOTES: Final[dict[str, msgspec.Struct]] = {
    "binding": Binding(id="5f0e", application="orders", cluster="c", log="l", partitions=8, homes="murmur2"),
    "source": Source(topic="t", begun=True, made=2),
    "lane": LaneNote(at="PAYMENTS/0/7", deaths=2, alone=("PAYMENTS", 0, 7), by="w-1", store="s-1", owner="orders.w-1"),
}


def _row(frame: s.Frame) -> StoredEntity:
    """A row with an instance in which one thing executes."""
    return StoredEntity(7, (), Entity(s.State(Head("o-1", "Orders", 1, "o-1", b"\x82", 1_000), 8, frames={1: frame})))


VALUES: Final[dict[str, msgspec.Struct]] = {
    **{f"record: {name}": Record("o-1", event) for name, event in EVENTS.items()},
    **{f"row: {name}": _row(frame) for name, frame in FRAMES.items()},
    "row: everything": StoredEntity(41, tuple((40 + n, kept) for n, kept in enumerate(OUTBOX.values())), ENTITY),
    "row: nothing": StoredEntity(),
    **{f"note: {name}": note for name, note in NOTES.items()},
    "channels: some": ChannelNote({"PAYMENTS": KnownChannel(7, True)}),
    "channels: none": ChannelNote(),
}
"""What is stored, by names that stay."""


def encoded(name: str) -> bytes:
    """The bytes of a value, as they are stored."""
    encode: Callable[[Any], bytes] = msgspec.json.encode if name.startswith("note: ") else msgspec.msgpack.encode
    return encode(VALUES[name])


def decoded(name: str, data: bytes) -> Any:
    """What is read in bytes that are stored under such a name."""
    kind = name.partition(":")[0]
    if kind == "channels":
        return decode_channels(data)
    if kind == "note":
        return msgspec.json.decode(data, type=type(VALUES[name]))
    return decode_record(data) if kind == "record" else decode_stored(data)


def golden() -> dict[str, bytes]:
    """What the file has, by name."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {name: bytes.fromhex(data) for name, data in (line.rsplit(" = ", 1) for line in lines)}


def renew() -> None:
    """Write the file anew; look at the difference before it is committed."""
    FILE.write_text("".join(f"{name} = {encoded(name).hex()}\n" for name in VALUES), encoding="utf-8")


if __name__ == "__main__":
    renew()
