"""Who else has the file open: to wake them, and to know who is dead.

Each process that is to be woken, or owns something, has an entry, with the port at which it can be woken and how it is
known in its host. It counts its signs of life there. Whoever sees the same count for as long as the entry lasts, by its
own clock that nobody sets, takes the process for dead; one whose process is gone from this very host is dead at once.
Nothing that is safe depends on either.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Final, NamedTuple

from dagger.backends.sqlite.leases import leave_all
from dagger.backends.sqlite.notifier import HELLO, WAKE

IDLE_TTL_S: Final = 60.0
"""How long an entry of a process that owns nothing is good for, in seconds: it is renewed in a third of it."""


class Observation(NamedTuple):
    """What was last seen of another process."""

    beat: int
    quiet_s: float
    """For how long it was seen with that count, in seconds."""


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
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Be able to wake others."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Wake nobody any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_registered(self) -> bool:
        """Whether there is an entry of this process."""
        return self._renewed_at is not None

    def heartbeat(self, connection: sqlite3.Connection, lasts_s: float) -> None:
        """Say that this process lives, and forget those that do not; inside a transaction."""
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
        """Whether the entry is to be renewed, of a process that owns nothing."""
        return self._renewed_at is not None and time.monotonic() - self._renewed_at > IDLE_TTL_S / 3

    def _dead(self, connection: sqlite3.Connection, since_s: float, lasts_s: float) -> list[str]:
        """Who has not said for too long that it lives, at a look so long after the last one.

        No look counts for more than half of a life: a process that could not say so may not be the only one, since one
        that is stopped can hold the lock of the file.
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
        """Read the ports of the others."""
        rows = connection.execute("SELECT port FROM peer WHERE id <> ? AND port > 0", (self.id,))
        self._others = [port for (port,) in rows]

    def wake(self, data: bytes = WAKE) -> None:
        """Tell the others. A datagram that is lost costs them a tick."""
        if self._socket is None:
            return
        for port in self._others:
            try:
                self._socket.sendto(data, ("127.0.0.1", port))
            except OSError:  # its buffer is full: it will wake
                continue

    def announce(self) -> None:
        """Tell the others that this process has come or is going."""
        self.wake(HELLO)


def remove_process(connection: sqlite3.Connection, id: str) -> None:
    """Delete the entry of a peer, and let go what it owned."""
    leave_all(connection, id)
    connection.execute("DELETE FROM peer WHERE id = ?", (id,))


def _host() -> str:
    """Names the space in which a process number means something, until the next boot; empty where none is known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process of this host was started, in ticks since boot; None if it is gone. Numbers are used again."""
    try:
        # In bytes: the name of a process is cut off at a number of them, and need not be text.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if state in b"ZX" else int(fields[18])
