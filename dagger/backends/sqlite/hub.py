"""What log, store and readers of one process have in common while the file is open; or a store that is alone."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import closing, suppress
from functools import partial
from typing import Final, Protocol

import anyio

from dagger.backends.loops import OneLoop, within
from dagger.backends.sqlite.anchor import Anchor
from dagger.backends.sqlite.bell import Bell, Ear
from dagger.backends.sqlite.clerk import Clerk, transact
from dagger.backends.sqlite.mishaps import shut
from dagger.backends.sqlite.opening import Glance, glance, open_file
from dagger.backends.sqlite.options import Options
from dagger.backends.sqlite.peers import QUIET_S, Peers, forget
from dagger.backends.sqlite.pulse import Chore, Pulse
from dagger.backends.sqlite.schema import WHOLE, Kind, partitions_of
from dagger.backends.sqlite.team import Team, leave, members_of
from dagger.backends.sqlite.wal import checkpoint
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")

WRITE_BACK_ROWS: Final = 16_000
"""After how many changed rows what is in the write-ahead log is brought into the file, beside the work."""


class Connect(Protocol):
    """Gives a connection to the file, which it may `make` where it is not there."""

    def __call__(self, *, make: bool) -> sqlite3.Connection: ...


class Hub:
    """An open file: its clerk and its pulse, the bell that others ring, and the groups that this process is in.

    Nothing is written before something is to be changed, or somebody is to be woken.
    """

    def __init__(self, options: Options, kind: Kind = WHOLE, application: str | None = None) -> None:
        self.options = options
        self._one_loop = OneLoop(f"the file '{options.path}'")
        self.connect: Connect = partial(open_file, options, kind, application)
        """Tests put one here that fails at a chosen place."""
        self.look: Callable[[], Glance] = partial(glance, options, kind, application)
        """Looks into the file, and changes nothing."""
        self._kind = kind
        self.clerk = Clerk(options, self._connect, self._glance, lambda: self._anchor.check(), self._changed)
        self._seats = 0
        self._is_open = False
        self._begin()

    def _begin(self) -> None:
        """What is new whenever the file is opened."""
        self.bell = Bell()
        """Rings when anybody has committed."""
        self.others = Bell()
        """Rings when another process has."""
        self.peers = Peers()
        self.pulse = Pulse(self._connect_in_time, self._ring)
        self._anchor = Anchor(self.options)
        self.teams: dict[str, Team] = {}
        """By its seat, each membership of this process; replaced and never changed, since two threads read it."""
        self._must_leave = False
        """Whether the file may name this process in a group that it has left."""
        self._is_awaited = False
        """Whether somebody here waits for what others change."""
        self.has_written = False
        """Whether this process has changed anything."""
        self._seen_version = 0
        self._ticking: Chore | None = None
        self._writing_back: Chore | None = None
        self._unwritten = 0

    def _connect(self) -> sqlite3.Connection:
        """A connection to the very file that was opened first. Raises BackendError if that is not there any more."""
        self._anchor.check()
        try:
            connection = self.connect(make=not self._anchor.is_held)
        except (sqlite3.Error, BackendError):
            self._anchor.check()  # it may have gone just now, which says more
            raise
        return self._held(connection)

    def _glance(self) -> Glance:
        """The same for questions."""
        if self._anchor.is_held:
            return Glance(self._connect(), True, lambda: True)
        found = self.look()
        if found.lasts:
            self._held(found.connection)
        else:
            self._read(found.connection)
        return found

    def _held(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            self._anchor.hold()
            self._read(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, connection: sqlite3.Connection) -> None:
        if self._kind.id == WHOLE.id:
            self.clerk.partitions = partitions_of(connection)

    def _connect_in_time(self) -> sqlite3.Connection:
        """A connection for the chores. Raises BackendError where there is nothing yet to look at again."""
        if not self._anchor.holds:
            self._soon(self._lose)
        found = self._glance()
        if not found.lasts:
            shut(found.connection)
            raise BackendUnavailable(f"the file '{self.options.path}' has nothing to be done in")
        return found.connection

    @property
    def is_there(self) -> bool:
        """Whether the file was found, or made."""
        return self._anchor.is_held

    @property
    def partitions(self) -> int:
        """Into how many partitions the file is divided."""
        return self.clerk.partitions

    @within
    async def open(self) -> AsyncGenerator[None]:
        """Use the file, and close it at the end. Raises BackendError."""
        with self._one_loop.held():
            async with self._open():
                yield

    @within
    async def _open(self) -> AsyncGenerator[None]:
        if self._is_open:  # the event loop in which it was used has ended, and nobody has closed it
            await asyncio.to_thread(self._abandon)
        self._loop = asyncio.get_running_loop()
        self._begin()
        self.peers.open()
        self.clerk.start()
        self._is_open = True
        try:
            async with self._listening():
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.clerk.stop()
            self.peers.close()
            self.teams = {}
            self._is_open = False
            self._heard()  # whoever still reads is told that it is closed

    def _abandon(self) -> None:
        """Close what was left open; in a thread."""
        self.pulse.stop()
        self.clerk.abandon()
        if self.peers.is_entered:
            with suppress(sqlite3.Error, BackendError, OSError), closing(self._connect()) as connection:
                transact(connection, partial(forget, id=self.peers.id), self.options.patience)
        self.peers.close()

    @within
    async def _listening(self) -> AsyncGenerator[None]:
        """Hear the others who have the file open."""
        transport = None
        try:
            ear = partial(Ear, self._heard, self._hello)
            transport, _ = await self._loop.create_datagram_endpoint(ear, local_addr=("127.0.0.1", 0))
            self.peers.port = transport.get_extra_info("sockname")[1]
        except OSError:  # no loopback: what others do is then seen at the next tick
            self.peers.port = 0
        try:
            await self.clerk.ask(lambda connection: None)
            self._ticking = self.pulse.add(self._tick)
            self._writing_back = self.pulse.add(self._write_back, idle=True)
            self.pulse.start()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await asyncio.to_thread(self.pulse.stop)
                    if self.peers.is_entered:
                        await self._say(partial(forget, id=self.peers.id))
                finally:
                    if transport is not None:
                        transport.close()

    async def _say(self, going: Callable[[sqlite3.Connection], None]) -> None:
        """Let others take over at once. Where that cannot be said now, they do so when the lease has expired."""
        try:
            await self.clerk.change(going)
        except BackendError as error:
            logger.warning("%s: what is owned passes to others when the lease expires", error)
        self.peers.greet()

    async def await_others(self) -> None:
        """Return when others may have changed something. From now on they wake this process."""
        if not self._is_awaited:
            self._is_awaited = True
            self._hello()
        await self.others.wait("changed")

    # Groups.

    def seat(self) -> str:
        """A new one, for a reader."""
        self._seats += 1
        return str(self._seats)

    async def enter(self, team: Team) -> None:
        """Be a member of a group, and own a share of it at once."""
        self.teams = {**self.teams, team.seat: team}
        try:
            await self.regain()
        except BaseException:  # refused, or nobody waits any more: a sign of life that is given now leaves
            self._drop(team)
            self._hello()
            raise

    async def leave(self, team: Team) -> None:
        """Be no member any more: others take over at once."""
        if self.teams.get(team.seat) is not team:  # the file was closed, which has ended all that it was in
            return
        self._drop(team)
        try:
            await self.regain()
        except BackendError as error:
            logger.warning("%s: the partitions of %s pass to others later", error, team.words)

    def _drop(self, team: Team) -> None:
        self.teams = {seat: other for seat, other in self.teams.items() if other is not team}
        self._must_leave = True

    async def regain(self) -> None:
        """Share at once what is to be shared. It is done even where nobody waits for it any more."""
        try:
            await self.clerk.change(self._share)
        except BaseException:
            self._must_leave = True
            raise

    def _share(self, connection: sqlite3.Connection) -> None:
        """Give a sign of life, and share what is to be shared; inside a transaction."""
        teams = self.teams.values()
        self.peers.renew(connection, self.options.lease if teams else QUIET_S)
        changed = self._leave_others(connection)
        # Whoever comes last makes the others of this process give something away, and takes it in a second round.
        while any(team.share(connection) for team in teams):
            changed = True
        self.peers.look(connection)
        if changed:
            self.peers.greet()
            self._ring()

    def _leave_others(self, connection: sqlite3.Connection) -> bool:
        """Let go what is owned in groups that were left; whether there was one."""
        self._must_leave = False
        live = {(team.name, team.member) for team in self.teams.values()}
        left = [one for one in members_of(connection, self.peers.id) if one not in live]
        for name, member in left:
            leave(connection, name, member)
        return bool(left)

    def _tick(self, connection: sqlite3.Connection) -> float:
        """A chore: see what others have done, and give a sign of life.

        It is not waited for until the disk has it: after a power cut there is nobody whose life it could show.
        """
        if self._loop.is_closed():
            return self._end(connection)
        if not self._anchor.holds:
            self._soon(self._lose)
            return self.options.tick
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._seen_version = version
            self._ring()
        if self.teams or self._must_leave or self.peers.is_due():
            self._give_sign(connection, self.options.patience)
        elif self._is_awaited and not self.peers.is_entered:
            try:
                self._give_sign(connection, 0)
            except sqlite3.Error:  # it is only to be woken sooner: what others do is seen at each tick
                self.peers.look(connection)
        else:
            self.peers.look(connection)
        return self.options.tick

    def _give_sign(self, connection: sqlite3.Connection, patience_s: float) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            transact(connection, self._share, patience_s)
        except BaseException:
            self._must_leave = bool(self.teams) or self.peers.is_entered
            raise

    def _end(self, connection: sqlite3.Connection) -> float:
        """The event loop has ended, and nobody has closed the file: leave it to others."""
        if self.peers.is_entered:
            transact(connection, partial(forget, id=self.peers.id), self.options.patience)
            self.peers.greet()
        self.pulse.quit()
        return self.options.tick

    # Waking.

    def _changed(self, rows: int) -> None:
        """So many rows were changed by a commit here."""
        if not self.has_written:  # there may have been no file before
            self.has_written = True
            self._hello()
        self.peers.wake()
        self.bell.ring()
        self._unwritten += rows
        if self._unwritten > WRITE_BACK_ROWS and self._writing_back is not None:
            self._unwritten = 0
            self.pulse.hurry(self._writing_back)

    def _write_back(self, connection: sqlite3.Connection) -> float:
        """A chore: bring the write-ahead log into the file, beside the work that goes on."""
        checkpoint(connection)
        return math.inf

    def _hello(self) -> None:
        """Others have come, gone, or given something away."""
        if self._ticking is not None:
            self.pulse.hurry(self._ticking)

    def _heard(self) -> None:
        self.bell.ring()
        self.others.ring()

    def _lose(self) -> None:
        """The file is not there any more: whoever asks for something is told, and those who wait ask."""
        self.clerk.drop()
        self._heard()

    def _ring(self) -> None:
        """From any thread."""
        self._soon(self._heard)

    def _soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: nobody waits
            if not self.peers.is_entered:
                self.pulse.quit()
