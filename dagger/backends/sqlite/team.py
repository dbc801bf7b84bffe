"""A group of processes that share partitions: the workers, or the readers of a topic under one group name.

Each member owns a fair share of the partitions by leases that it renews. Taking a partition raises its epoch, so what a
former owner still wants to commit is recognised. The leases of a peer that is forgotten are free.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from dagger.errors import Fenced


class Team:
    """What this process owns in one group."""

    def __init__(self, name: str, peer: str, partitions: int) -> None:
        self.name = name
        self._peer = peer
        self._partitions = partitions
        self.owned: dict[int, int] = {}
        """The partitions owned, each with its epoch; replaced and never changed, since the loop reads it too."""

    def join(self, connection: sqlite3.Connection) -> None:
        """Be a member; inside a transaction."""
        connection.execute("INSERT OR IGNORE INTO member VALUES (?, ?)", (self.name, self._peer))
        connection.executemany(
            "INSERT OR IGNORE INTO lease VALUES (?, ?, NULL, 0)",
            [(self.name, partition) for partition in range(self._partitions)],
        )
        self.share(connection)

    def leave(self, connection: sqlite3.Connection) -> None:
        """Be no member any more; inside a transaction."""
        connection.execute(
            "UPDATE lease SET owner = NULL WHERE team = ? AND owner = ?",
            (self.name, self._peer),
        )
        connection.execute("DELETE FROM member WHERE team = ? AND peer = ?", (self.name, self._peer))
        self.owned = {}

    def share(self, connection: sqlite3.Connection) -> bool:
        """Own a fair share: take what is free, give away what is too much. Whether anything has changed."""
        members = [
            peer for (peer,) in connection.execute("SELECT peer FROM member WHERE team = ? ORDER BY peer", (self.name,))
        ]
        if self._peer not in members:  # it was taken for dead
            self.join(connection)
            return True
        leases = connection.execute(
            "SELECT partition, owner, epoch FROM lease WHERE team = ? ORDER BY partition", (self.name,)
        ).fetchall()
        mine = {partition: epoch for partition, owner, epoch in leases if owner == self._peer}
        more, place = divmod(self._partitions, len(members))
        wanted = more + (members.index(self._peer) < place)
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
            [(self._peer, self.name, partition) for partition in partitions],
        )

    def _give(self, connection: sqlite3.Connection, partitions: Iterable[int]) -> None:
        connection.executemany(
            "UPDATE lease SET owner = NULL WHERE team = ? AND partition = ?",
            [(self.name, partition) for partition in partitions],
        )

    def lost(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> list[int]:
        """Which of these partitions, each with its epoch, have passed to others; inside the transaction."""
        rows = connection.execute(
            "SELECT partition, epoch FROM lease WHERE team = ? AND owner = ?", (self.name, self._peer)
        )
        now: dict[int, int] = dict(rows.fetchall())
        return sorted(partition for partition, epoch in held.items() if now.get(partition) != epoch)

    def check(self, connection: sqlite3.Connection, held: Mapping[int, int]) -> None:
        """Refuse what was done under leases that have passed to others; inside the transaction. Raises Fenced."""
        lost = self.lost(connection, held)
        if lost:
            who = f"group '{self.name}'" if self.name else "the workers"
            raise Fenced(f"others of {who} have taken partition {', '.join(map(str, lost))} over")
