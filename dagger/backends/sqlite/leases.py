"""A group whose members share partitions: the workers, or the readers of a topic under one group name.

A process has one worker at most, and as many readers as it likes. Each member owns a fair share of the partitions by
leases that its process renews. Taking a partition raises its epoch, so what a former owner still wants to commit is
recognised. The leases of a peer that is forgotten are free.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from dagger.errors import Fenced


class Leases:
    """What a member owns in its group."""

    def __init__(self, name: str, peer: str, partitions: int, slot: str = "") -> None:
        """`slot` tells the members of one process apart, and is never given twice; that of its worker is empty."""
        self.name = name
        self.slot = slot
        self.member = member_of(peer, slot)
        self._partitions = partitions
        self.owned: dict[int, int] = {}
        """The partitions owned, each with its epoch; replaced and never changed, since the loop reads it too."""

    @property
    def description(self) -> str:
        """What the group is called in a message."""
        return f"group '{self.name}'" if self.name else "the workers"

    def join(self, connection: sqlite3.Connection) -> None:
        """Be a member; inside a transaction."""
        connection.execute("INSERT OR IGNORE INTO member VALUES (?, ?)", (self.name, self.member))
        connection.executemany(
            "INSERT OR IGNORE INTO lease VALUES (?, ?, NULL, abs(random() >> 1))",  # no epoch comes twice
            [(self.name, partition) for partition in range(self._partitions)],
        )
        self.rebalance(connection)

    def rebalance(self, connection: sqlite3.Connection) -> bool:
        """Own a fair share: take what is free, give away what is too much. Whether anything has changed."""
        members = [
            peer for (peer,) in connection.execute("SELECT peer FROM member WHERE team = ? ORDER BY peer", (self.name,))
        ]
        if self.member not in members:  # it was taken for dead
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
        given = sorted(mine)[wanted:]
        self._take(connection, taken)
        self._give(connection, given)
        before = self.owned
        kept = {partition: epoch for partition, epoch in mine.items() if partition not in given}
        self.owned = {**kept, **{partition: epoch + 1 for partition, epoch in taken.items()}}
        return before != self.owned

    def _take(self, connection: sqlite3.Connection, partitions: Iterable[int]) -> None:
        connection.executemany(
            "UPDATE lease SET owner = ?, epoch = epoch + 1 WHERE team = ? AND partition = ?",
            [(self.member, self.name, partition) for partition in partitions],
        )

    def _give(self, connection: sqlite3.Connection, partitions: Iterable[int]) -> None:
        connection.executemany(
            "UPDATE lease SET owner = NULL WHERE team = ? AND partition = ?",
            [(self.name, partition) for partition in partitions],
        )

    def lost(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> list[int]:
        """Which of these partitions, each with its epoch, have passed to others; inside the transaction."""
        rows = connection.execute(
            "SELECT partition, epoch FROM lease WHERE team = ? AND owner = ?", (self.name, self.member)
        )
        now: dict[int, int] = dict(rows.fetchall())
        return sorted(partition for partition, epoch in held.items() if now.get(partition) != epoch)

    def check_owned(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> None:
        """Refuse what was done under leases that have passed to others; inside the transaction. Raises Fenced."""
        lost = self.lost(connection, held)
        if lost:
            raise Fenced(f"others of {self.description} have taken partition {', '.join(map(str, lost))} over")


def member_of(peer: str, slot: str) -> str:
    """The name of a member, which begins with that of its process."""
    return f"{peer}.{slot}" if slot else peer


def members_of(connection: sqlite3.Connection, peer: str) -> list[tuple[str, str]]:
    """The groups that a process is in, each with its member."""
    return connection.execute("SELECT team, peer FROM member WHERE peer = ? OR peer GLOB ?", _both(peer)).fetchall()


def leave(connection: sqlite3.Connection, team: str, member: str) -> None:
    """Let a member be in its group no more, and own nothing; inside a transaction."""
    connection.execute("UPDATE lease SET owner = NULL WHERE team = ? AND owner = ?", (team, member))
    connection.execute("DELETE FROM member WHERE team = ? AND peer = ?", (team, member))
    disband(connection)


def leave_all(connection: sqlite3.Connection, peer: str) -> None:
    """Let a process be in no group any more, and own nothing; inside a transaction."""
    connection.execute("UPDATE lease SET owner = NULL WHERE owner = ? OR owner GLOB ?", _both(peer))
    connection.execute("DELETE FROM member WHERE peer = ? OR peer GLOB ?", _both(peer))
    disband(connection)


def disband(connection: sqlite3.Connection) -> None:
    """Delete the leases of groups in which nobody is; inside a transaction."""
    connection.execute("DELETE FROM lease WHERE team NOT IN (SELECT team FROM member)")


def _both(peer: str) -> tuple[str, str]:
    return peer, f"{peer}.*"
