"""A copy of the file while it is in use."""

from __future__ import annotations

import os
import sqlite3
import uuid
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from dagger.backends.sqlite.connections import open_read_connection
from dagger.backends.sqlite.errors import name_of, permanent_problem, translate
from dagger.backends.sqlite.options import options_of
from dagger.errors import BackendError


async def backup(url: str, target: str | os.PathLike[str]) -> None:
    """Copy the file of a URL, as it is at one instant, to a path that does not exist yet.

    Workers continue meanwhile. The copy can be used at once: `sqlite:///copy.db` continues from that instant. It is
    checked before it gets its name, so a damaged file has no copy. Raises BackendError.
    """
    await anyio.to_thread.run_sync(_backup, url, Path(target))


def _backup(url: str, target: Path) -> None:
    options = options_of(url)
    if not options.place.exists():
        raise BackendError(f"the file '{options.path}' does not exist")
    if target.exists():
        raise _exists(target)
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")  # other processes may copy to the same path
    try:
        source = open_read_connection(options).connection
    except sqlite3.Error as error:
        raise translate(error, options.path) from error
    try:
        _copy(source, part)
        damage = _damage(part)
        if damage:
            raise BackendError(
                f"the file '{options.path}' {permanent_problem('SQLITE_CORRUPT')}; no copy was made ({damage})"
            )
        _place(part, target)
    except sqlite3.Error as error:
        raise translate(error, options.path if _is_of_source(error) else target) from error
    except OSError as error:
        raise BackendError(f"the copy cannot be written to '{target}': {error}") from error
    finally:
        source.close()
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                part.with_name(part.name + suffix).unlink(missing_ok=True)


def _place(part: Path, target: Path) -> None:
    """Give a copy its name, atomically. Raises BackendError if the path exists by now."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # the file system does not support links
        try:
            target.touch(exist_ok=False)
        except FileExistsError:
            raise _exists(target) from None
        part.replace(target)


def _exists(target: Path) -> BackendError:
    return BackendError(f"'{target}' exists already; name another place for the copy, or move it away")


def _damage(copy: Path) -> str:
    """The first damage in a copy, whose pages are those of the original; empty if there is none."""
    connection = sqlite3.connect(copy, isolation_level=None)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        return "" if found == "ok" else " ".join(str(found).split())
    finally:
        connection.close()


def _is_of_source(error: sqlite3.Error) -> bool:
    """Whether a copy has failed because of the original."""
    return name_of(error).startswith(("SQLITE_BUSY", "SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _copy(source: sqlite3.Connection, part: Path) -> None:
    copy = sqlite3.connect(part, isolation_level=None)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        # The members of groups own the partitions of the original.
        for statement in ("DELETE FROM peer", "DELETE FROM member", "UPDATE lease SET owner = NULL"):
            copy.execute(statement)
        copy.execute("PRAGMA journal_mode = WAL")
    finally:
        copy.close()
