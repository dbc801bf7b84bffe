"""A group whose members share partitions: the workers, or the readers of a topic under one group name.

A process has at most one worker, and any number of readers. Each member owns a fair share of the partitions by leases
that its process renews. Taking a partition raises its epoch, by which a late commit of a former owner is recognised.
The leases of a process that is removed are free.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from dagger.errors import Fenced


class Leases:
    """The partitions that one member of a group owns."""

    def __init__(self, name: str, peer: str, partitions: int, slot: str = "") -> None:
        """`slot` distinguishes the members of one process and is never reused; that of its worker is empty."""
        self.name = name
        self.slot = slot
        self.member = member_of(peer, slot)
        self._partitions = partitions
        self.owned: dict[int, int] = {}
        """The owned partitions, each with its epoch; replaced and never changed, since two threads read it."""

    @property
    def description(self) -> str:
        """The group as messages name it."""
        return f"group '{self.name}'" if self.name else "the workers"

    def join(self, connection: sqlite3.Connection) -> None:
        """Become a member; inside a transaction."""
        connection.execute("INSERT OR IGNORE INTO member VALUES (?, ?)", (self.name, self.member))
        connection.executemany(
            "INSERT OR IGNORE INTO lease VALUES (?, ?, NULL, abs(random() >> 1))",  # no epoch comes twice
            [(self.name, partition) for partition in range(self._partitions)],
        )
        self.rebalance(connection)

    def rebalance(self, connection: sqlite3.Connection) -> bool:
        """Take free partitions, or give surplus ones up, so as to own a fair share; whether anything has changed."""
        members = [
            peer for (peer,) in connection.execute("SELECT peer FROM member WHERE team = ? ORDER BY peer", (self.name,))
        ]
        if self.member not in members:  # it was considered dead
            self.join(connection)
            return True
        leases = connection.execute(
            "SELECT partition, owner, epoch FROM lease WHERE team = ? ORDER BY partition", (self.name,)
        ).fetchall()
        mine = {partition: epoch for partition, owner, epoch in leases if owner == self.member}
        more, place = divmod(self._partitions, len(members))
        wanted = more + (members.index(self.member) < place)
        free = [(partition, epoch) for partition, owner, epoch in leases if owner is None]
        taken = dict(free[: max(0, wanted - len(mine))])
        surplus = sorted(mine)[wanted:]
        self._take(connection, taken)
        self._release(connection, surplus)
        before = self.owned
        kept = {partition: epoch for partition, epoch in mine.items() if partition not in surplus}
        self.owned = {**kept, **{partition: epoch + 1 for partition, epoch in taken.items()}}
        return before != self.owned

    def _take(self, connection: sqlite3.Connection, partitions: Iterable[int]) -> None:
        connection.executemany(
            "UPDATE lease SET owner = ?, epoch = epoch + 1 WHERE team = ? AND partition = ?",
            [(self.member, self.name, partition) for partition in partitions],
        )

    def _release(self, connection: sqlite3.Connection, partitions: Iterable[int]) -> None:
        connection.executemany(
            "UPDATE lease SET owner = NULL WHERE team = ? AND partition = ?",
            [(self.name, partition) for partition in partitions],
        )

    def lost(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> list[int]:
        """Those of the partitions, given with their epochs, that have passed to others; inside the transaction."""
        rows = connection.execute(
            "SELECT partition, epoch FROM lease WHERE team = ? AND owner = ?", (self.name, self.member)
        )
        now: dict[int, int] = dict(rows.fetchall())
        return sorted(partition for partition, epoch in held.items() if now.get(partition) != epoch)

    def check_owned(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> None:
        """Raise Fenced if a partition has passed to another member since it was held; inside the transaction."""
        lost = self.lost(connection, held)
        if lost:
            raise Fenced(f"other members of {self.description} have taken over partition {', '.join(map(str, lost))}")


def member_of(peer: str, slot: str) -> str:
    """The name of a member, which begins with that of its process."""
    return f"{peer}.{slot}" if slot else peer


def members_of(connection: sqlite3.Connection, peer: str) -> list[tuple[str, str]]:
    """The groups of a process, each with its member."""
    return connection.execute("SELECT team, peer FROM member WHERE peer = ? OR peer GLOB ?", _both(peer)).fetchall()


def leave(connection: sqlite3.Connection, team: str, member: str) -> None:
    """Remove a member from its group, and release its leases; inside a transaction."""
    connection.execute("UPDATE lease SET owner = NULL WHERE team = ? AND owner = ?", (team, member))
    connection.execute("DELETE FROM member WHERE team = ? AND peer = ?", (team, member))
    delete_empty_groups(connection)


def leave_all(connection: sqlite3.Connection, peer: str) -> None:
    """Remove a process from all groups, and release its leases; inside a transaction."""
    connection.execute("UPDATE lease SET owner = NULL WHERE owner = ? OR owner GLOB ?", _both(peer))
    connection.execute("DELETE FROM member WHERE peer = ? OR peer GLOB ?", _both(peer))
    delete_empty_groups(connection)


def delete_empty_groups(connection: sqlite3.Connection) -> None:
    """Delete the leases of groups without members; inside a transaction."""
    connection.execute("DELETE FROM lease WHERE team NOT IN (SELECT team FROM member)")


def _both(peer: str) -> tuple[str, str]:
    return peer, f"{peer}.*"
