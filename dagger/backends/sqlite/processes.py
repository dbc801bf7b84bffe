"""The processes that have the file open: to wake them, and to detect those that have died.

Each process that wants to be woken, or owns something, has an entry with the port at which it can be woken and its
identity on its host. It counts its heartbeats there. A process that sees the same count for as long as the entry lasts,
by its own monotonic clock, considers the other dead; one that is gone from this very host is dead at once. No guarantee
depends on either.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dagger.backends.sqlite.leases import leave_all
from dagger.backends.sqlite.signals import ENDED, HELLO, WAKE, Numbering, chunks

IDLE_TTL_S: Final = 60.0
"""How long the entry of a process that owns nothing lasts, in seconds; it is renewed in a third of that."""


class Observation(NamedTuple):
    """What was last seen of another process."""

    beat: int
    quiet_s: float
    """How long it has been seen with that count, in seconds."""


class Processes:
    """The entry of this process, and the ports of the others."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.port = 0
        self._host = _host()
        self._pid = os.getpid()
        self._started = _started(self._pid) or 0
        self._renewed_at: float | None = None
        self._observed: dict[str, Observation] = {}
        self._others: list[int] = []
        self._numbering = Numbering(self.id)
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Open the socket by which others are woken."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_registered(self) -> bool:
        """Whether this process has an entry."""
        return self._renewed_at is not None

    def heartbeat(self, connection: sqlite3.Connection, lasts_s: float) -> None:
        """Count a heartbeat, and remove processes that have died; inside a transaction."""
        connection.execute(
            "INSERT INTO peer VALUES (?, ?, ?, ?, ?, 0, ?) "
            "ON CONFLICT (id) DO UPDATE SET port = excluded.port, beat = beat + 1, lasts = excluded.lasts",
            (self.id, self.port, self._host, self._pid, self._started, lasts_s),
        )
        now = time.monotonic()
        since = 0.0 if self._renewed_at is None else now - self._renewed_at
        self._renewed_at = now
        for id in self._dead(connection, since, lasts_s):
            remove_process(connection, id)

    def is_heartbeat_due(self) -> bool:
        """Whether the entry of a process that owns nothing needs a heartbeat."""
        return self._renewed_at is not None and time.monotonic() - self._renewed_at > IDLE_TTL_S / 3

    def _dead(self, connection: sqlite3.Connection, since_s: float, lasts_s: float) -> list[str]:
        """The processes that have died, `since_s` seconds after the last heartbeat of this process.

        One interval counts for at most half of a lifetime: where this process could not send a heartbeat, others could
        not either, since a suspended process can hold the lock of the file.
        """
        before, self._observed = self._observed, {}
        dead = list[str]()
        rows = connection.execute("SELECT id, host, pid, started, beat, lasts FROM peer WHERE id <> ?", (self.id,))
        for id, host, pid, started, beat, lasts in rows:
            old = before.get(id)
            quiet_s = old.quiet_s + min(since_s, max(lasts, lasts_s) / 2) if old and old.beat == beat else 0.0
            self._observed[id] = Observation(beat, quiet_s)
            if quiet_s > lasts or (host and host == self._host and _started(pid) != started):
                dead.append(id)
        return dead

    def load_ports(self, connection: sqlite3.Connection) -> None:
        """Read the ports of the other processes, and wake those that are new: they may have missed a commit."""
        rows = connection.execute("SELECT port FROM peer WHERE id <> ? AND port > 0", (self.id,))
        known, self._others = set(self._others), [port for (port,) in rows]
        new = [port for port in self._others if port not in known]
        if new:
            self._send(self._numbering.datagram(WAKE), new)

    def wake(self) -> None:
        """Wake the others. If a datagram is lost, they see the change at their next tick."""
        if self._others:
            self._send(self._numbering.datagram(WAKE))

    def announce_ended(self, ids: Collection[str]) -> None:
        """Tell the others which instances have ended."""
        if self._others:
            for part in chunks(ids):
                self._send(self._numbering.datagram(ENDED, part))

    def _send(self, data: bytes, ports: Sequence[int] | None = None) -> None:
        if self._socket is None:
            return
        for port in self._others if ports is None else ports:
            try:
                self._socket.sendto(data, ("127.0.0.1", port))
            except OSError:  # it notices that a number is missing
                continue

    def announce(self) -> None:
        """Tell the others that this process has come, gone, or given something up."""
        self._send(self._numbering.datagram(HELLO))


def remove_process(connection: sqlite3.Connection, id: str) -> None:
    """Delete the entry of a process, and release what it owned."""
    leave_all(connection, id)
    connection.execute("DELETE FROM peer WHERE id = ?", (id,))


def _host() -> str:
    """The boot and the namespace in which a process id is meaningful; empty where they are not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process of this host was started, in ticks since boot; None if it is gone. Ids are reused."""
    try:
        # As bytes: the name of a process is truncated and need not be text.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if state in b"ZX" else int(fields[18])
