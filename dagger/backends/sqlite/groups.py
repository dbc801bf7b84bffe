"""The groups in which this process is a member, and what it owns in each: kept by heartbeats in the file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from dagger.backends.sqlite.database import Database
from dagger.backends.sqlite.leases import Leases, leave, members_of
from dagger.backends.sqlite.options import SqliteOptions
from dagger.backends.sqlite.processes import IDLE_TTL_S, Processes
from dagger.backends.sqlite.transactions import run_transaction
from dagger.errors import BackendError

logger: Final = logging.getLogger("dagger")


class Groups:
    """Joins and leaves groups, and shares their partitions with the members in other processes."""

    def __init__(
        self,
        options: SqliteOptions,
        database: Database,
        processes: Processes,
        changed: Callable[[], None],
        heartbeat_soon: Callable[[], None],
    ) -> None:
        """`changed` is called where a partition has passed from one member to another, from any thread.

        `heartbeat_soon` lets the maintenance thread send a heartbeat now.
        """
        self._options = options
        self._database = database
        self._processes = processes
        self._changed = changed
        self._heartbeat_soon = heartbeat_soon
        self.leases: dict[str, Leases] = {}
        """By slot, each membership of this process; replaced and never changed, since two threads read it."""
        self._must_leave = False
        """Whether the file may name this process in a group that it has left."""

    @property
    def needs_heartbeat(self) -> bool:
        """Whether others would take over something, or this process still has to give something up."""
        return bool(self.leases) or self._must_leave

    async def join(self, leases: Leases) -> None:
        """Become a member of a group, and own a share of its partitions at once."""
        self.leases = {**self.leases, leases.slot: leases}
        try:
            await self.rebalance()
        except BaseException:  # refused, or cancelled: the next heartbeat leaves the group
            self._drop(leases)
            self._heartbeat_soon()
            raise

    async def leave(self, leases: Leases) -> None:
        """Leave a group: the other members take over at once."""
        if self.leases.get(leases.slot) is not leases:  # the file was closed, which has ended all memberships
            return
        self._drop(leases)
        try:
            await self.rebalance()
        except BackendError as error:
            logger.warning("%s: the partitions of %s pass to others later", error, leases.description)

    def _drop(self, leases: Leases) -> None:
        self.leases = {slot: other for slot, other in self.leases.items() if other is not leases}
        self._must_leave = True

    def drop_all(self) -> None:
        """The file is closed: there is no membership any more."""
        self.leases = {}

    async def rebalance(self) -> None:
        """Send a heartbeat and share the partitions now. A cancelled call is carried out all the same."""
        try:
            await self._database.transact(self._share)
        except BaseException:
            self._must_leave = True
            raise

    def heartbeat(self, connection: sqlite3.Connection, timeout_s: float) -> None:
        """The same, in the maintenance thread.

        It does not wait until the disk has it: after a power failure there is no process whose life it could show.
        """
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            run_transaction(connection, self._share, timeout_s)
        except BaseException:
            self._must_leave = bool(self.leases) or self._processes.is_registered
            raise

    def _share(self, connection: sqlite3.Connection) -> None:
        members = self.leases.values()
        self._processes.heartbeat(connection, self._options.lease if members else IDLE_TTL_S)
        changed = self._leave_dropped(connection)
        # The last to join makes the others of this process give something up, and takes it in a second round.
        while any(leases.rebalance(connection) for leases in members):
            changed = True
        self._processes.load_ports(connection)
        if changed:
            self._processes.announce()
            self._changed()

    def _leave_dropped(self, connection: sqlite3.Connection) -> bool:
        """Give up what is owned in groups that were left; whether there was one."""
        self._must_leave = False
        live = {(leases.name, leases.member) for leases in self.leases.values()}
        left = [one for one in members_of(connection, self._processes.id) if one not in live]
        for name, member in left:
            leave(connection, name, member)
        return bool(left)
