"""What the log, the store and the readers of one process share while the file is open."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import closing, suppress
from functools import partial
from typing import Final, Protocol

import anyio

from dagger.backends.loops import LoopBinding, nested_contextmanager
from dagger.backends.sqlite.connections import ReadConnection, open_connection, open_read_connection
from dagger.backends.sqlite.database import Database
from dagger.backends.sqlite.errors import close_connection
from dagger.backends.sqlite.file_identity import FileIdentity
from dagger.backends.sqlite.groups import Groups
from dagger.backends.sqlite.maintenance import Job, MaintenanceThread
from dagger.backends.sqlite.notifier import NamedNotifier
from dagger.backends.sqlite.options import SqliteOptions
from dagger.backends.sqlite.processes import Processes, remove_process
from dagger.backends.sqlite.schema import LOG_AND_RECORDS, FileKind, partitions_of
from dagger.backends.sqlite.signals import ENDED, HELLO, Datagram, RemoteChanges, WakeSocket
from dagger.backends.sqlite.transactions import run_transaction
from dagger.backends.sqlite.wal import checkpoint
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")

WRITE_BACK_ROWS: Final = 16_000
"""After how many changed rows the maintenance thread writes the write-ahead log back into the file."""


class Connect(Protocol):
    """Opens a connection to the file; with `make`, it creates a file that does not exist."""

    def __call__(self, *, make: bool) -> sqlite3.Connection: ...


class OpenFile:
    """An open file: its database, its maintenance thread, its notifiers, and the groups that this process has joined.

    Nothing is written before there is something to change, or a waiter that other processes should wake.
    """

    def __init__(
        self, options: SqliteOptions, kind: FileKind = LOG_AND_RECORDS, application: str | None = None
    ) -> None:
        self.options = options
        self._loop_binding = LoopBinding(f"the file '{options.path}'")
        self.connect: Connect = partial(open_connection, options, kind, application)
        """Tests replace it by one that fails at a chosen place."""
        self.connect_for_reading: Callable[[], ReadConnection] = partial(
            open_read_connection, options, kind, application
        )
        """Opens a connection that changes nothing."""
        self._kind = kind
        self.database = Database(
            options,
            self._connect,
            self._connect_for_reading,
            lambda: self._identity.check(),  # what is committed to a file that nobody finds is lost
            self._on_commit,
        )
        self._slots = 0
        self._is_open = False
        self._begin()

    def _begin(self) -> None:
        """What is new whenever the file is opened."""
        self.notifier = NamedNotifier()
        """Notifies of each commit, of any process."""
        self.remote_changes = RemoteChanges()
        """What other processes have committed."""
        self.processes = Processes()
        self.maintenance = MaintenanceThread(self._connect_for_maintenance, self._notify_threadsafe)
        self.groups = Groups(self.options, self.database, self.processes, self._notify_threadsafe, self._on_hello)
        self._identity = FileIdentity(self.options)
        self._wants_wakeups = False
        """Whether somebody here waits for what other processes change."""
        self.has_written = False
        """Whether this process has changed anything."""
        self._seen_version = 0
        self._tick_job: Job | None = None
        self._write_back_job: Job | None = None
        self._rows_not_written_back = 0

    # Connections.

    def _connect(self) -> sqlite3.Connection:
        """A connection to the very file that was opened first. Raises BackendError if it is not there any more."""
        self._identity.check()
        try:
            connection = self.connect(make=not self._identity.is_known)
        except (sqlite3.Error, BackendError):
            self._identity.check()  # it may have gone just now, which says more
            raise
        return self._identified(connection)

    def _connect_for_reading(self) -> ReadConnection:
        """The same for queries."""
        if self._identity.is_known:
            return ReadConnection(self._connect(), True, lambda: True)
        reader = self.connect_for_reading()
        if reader.is_reusable:
            self._identified(reader.connection)
        else:
            self._read_partitions(reader.connection)
        return reader

    def _connect_for_maintenance(self) -> sqlite3.Connection:
        """The same for maintenance jobs. Raises BackendError where there is nothing yet that they could work on."""
        if not self._identity.is_unchanged:
            self._call_in_loop(self._on_file_lost)
        reader = self._connect_for_reading()
        if not reader.is_reusable:
            close_connection(reader.connection)
            raise BackendUnavailable(f"the file '{self.options.path}' does not exist yet, or is read-only")
        return reader.connection

    def _identified(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            self._identity.remember()
            self._read_partitions(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_partitions(self, connection: sqlite3.Connection) -> None:
        if self._kind.id == LOG_AND_RECORDS.id:
            self.database.partitions = partitions_of(connection)

    @property
    def exists(self) -> bool:
        """Whether the file was found, or made."""
        return self._identity.is_known

    @property
    def partitions(self) -> int:
        """The number of partitions of the file."""
        return self.database.partitions

    def new_slot(self) -> str:
        """A name for one more reader, which no other member of a group in this process has had."""
        self._slots += 1
        return str(self._slots)

    # Opening and closing.

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Use the file, and close it at the end. Raises BackendError."""
        with self._loop_binding.held():
            async with self._open():
                yield

    @nested_contextmanager
    async def _open(self) -> AsyncGenerator[None]:
        if self._is_open:  # the event loop in which it was used has ended, and nobody has closed it
            await asyncio.to_thread(self._abandon)
        self._loop = asyncio.get_running_loop()
        self._begin()
        self.processes.open()
        self.database.start()
        self._is_open = True
        try:
            async with self._listening():
                yield
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await self.database.stop()
            finally:
                self.processes.close()
                self.groups.drop_all()
                self._is_open = False
                self._on_wake()  # the waiting readers find that it is closed

    def _abandon(self) -> None:
        """Close what was left open; in a thread."""
        self.maintenance.stop()
        self.database.abandon()
        if self.processes.is_registered:
            with suppress(sqlite3.Error, BackendError, OSError), closing(self._connect()) as connection:
                run_transaction(connection, partial(remove_process, id=self.processes.id), self.options.busy_timeout)
        self.processes.close()

    @nested_contextmanager
    async def _listening(self) -> AsyncGenerator[None]:
        """Be woken by the other processes that have the file open."""
        transport = None
        try:
            wake_socket = partial(WakeSocket, self._on_signal)
            transport, _ = await self._loop.create_datagram_endpoint(wake_socket, local_addr=("127.0.0.1", 0))
            self.processes.port = transport.get_extra_info("sockname")[1]
        except OSError:  # no loopback: what others do is seen at the next tick
            self.processes.port = 0
        try:
            await self.database.query(self.processes.load_ports)
            self._tick_job = self.maintenance.add(self._tick)
            self._write_back_job = self.maintenance.add(self._write_back, idle=True)
            self.maintenance.start()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await asyncio.to_thread(self.maintenance.stop)
                    if self.processes.is_registered:
                        await self._unregister()
                finally:
                    if transport is not None:
                        transport.close()

    async def _unregister(self) -> None:
        """Let others take over at once. Where that fails, they do so when the lease has expired."""
        try:
            await self.database.transact(partial(remove_process, id=self.processes.id))
        except BackendError as error:
            logger.warning("%s: what is owned passes to others when the lease expires", error)
        self.processes.announce()

    def announce_ended(self, ids: Collection[str]) -> None:
        """Tell the other processes that a commit of this process has ended instances."""
        self.processes.announce_ended(ids)

    async def wait_for_others(self) -> Collection[str] | None:
        """Return when another process may have changed something, as `Backend.changed` does.

        From now on the others wake this process.
        """
        if not self._wants_wakeups:
            self._wants_wakeups = True
            self._on_hello()
        return await self.remote_changes.wait()

    # Maintenance jobs.

    def _tick(self, connection: sqlite3.Connection) -> float:
        """See what other processes have done, and send a heartbeat."""
        if self._loop.is_closed():
            return self._end(connection)
        if not self._identity.is_unchanged:
            self._call_in_loop(self._on_file_lost)
            return self.options.tick
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._seen_version = version
            self._call_in_loop(self._on_wake if not self.processes.port else self._on_change)
        if self.groups.needs_heartbeat or self.processes.is_heartbeat_due():
            self.groups.heartbeat(connection, self.options.busy_timeout)
        elif self._wants_wakeups and not self.processes.is_registered:
            try:
                self.groups.heartbeat(connection, 0)
                self.processes.announce()  # the others learn the port now, and not at their next tick
            except sqlite3.Error:  # it only serves to be woken sooner: each tick sees what others do
                self.processes.load_ports(connection)
        else:
            self.processes.load_ports(connection)
        return self.options.tick

    def _end(self, connection: sqlite3.Connection) -> float:
        """The event loop has ended, and nobody has closed the file: give everything up to others."""
        if self.processes.is_registered:
            run_transaction(connection, partial(remove_process, id=self.processes.id), self.options.busy_timeout)
            self.processes.announce()
        self.maintenance.stop_after_this_job()
        return self.options.tick

    def _write_back(self, connection: sqlite3.Connection) -> float:
        """Write the write-ahead log back into the file while work continues."""
        checkpoint(connection)
        return math.inf

    # Notifying.

    def _on_commit(self, rows: int, wakes: bool) -> None:
        """This process has committed a transaction that has changed so many rows, and may wake those who wait."""
        if not self.has_written:  # there may have been no file before
            self.has_written = True
            self._on_hello()
        if wakes:
            self.processes.wake()
            self.notifier.notify()
        self._rows_not_written_back += rows
        if self._rows_not_written_back > WRITE_BACK_ROWS and self._write_back_job is not None:
            self._rows_not_written_back = 0
            self.maintenance.run_now(self._write_back_job)

    def _on_hello(self) -> None:
        """Another process has come, gone, or given something up."""
        if self._tick_job is not None:
            self.maintenance.run_now(self._tick_job)

    def _on_signal(self, signal: Datagram | None) -> None:
        """Another process has sent a datagram; None if it cannot be read."""
        if signal is None:
            self._on_wake()
            return
        self.remote_changes.received(signal)
        if signal.kind == HELLO:
            self._on_hello()
        if signal.kind != ENDED:  # the commit that has ended them has sent another one
            self.notifier.notify()

    def _on_change(self) -> None:
        """A tick has seen a commit."""
        self.notifier.notify()
        self.remote_changes.something()

    def _on_wake(self) -> None:
        """Anything may have changed."""
        self.notifier.notify()
        self.remote_changes.anything()

    def _on_file_lost(self) -> None:
        """The file is not there any more: the next request raises, and waiters make one."""
        self.database.drop()
        self._on_wake()

    def _notify_threadsafe(self) -> None:
        self._call_in_loop(self._on_wake)

    def _call_in_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: nobody waits
            if not self.processes.is_registered:
                self.maintenance.stop_after_this_job()
