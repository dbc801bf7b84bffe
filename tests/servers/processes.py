"""Server processes that end with the tests, whatever ends the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

END_S_MAX: Final = 60.0
"""A failure limit: how long a process may take that was asked to end."""

# Reads until whoever started it is gone, then ends the one process that it was named.
_GUARD: Final = 'read -r line; kill -9 "$0"'


class Process:
    """A server's process, in a session of its own: Ctrl-C in a terminal is the tests' to handle, not the server's.

    It ends with the process that has started it, even if that is killed: a guard beside it sees to that.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Start it.

        Args:
            command: the program and its arguments.
            log: the file for all that it prints.
        """
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit(self) -> int | None:
        """With what it has ended; None if it goes on."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without warning (SIGKILL), and wait until it is gone."""
        self._process.kill()
        self.wait()

    def end(self) -> None:
        """Ask it to end (SIGTERM), and wait until it has."""
        self._process.terminate()
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended; with what it has."""
        code = self._process.wait(END_S_MAX)
        # Before anybody else can be given the pid that it watches over.
        self._guard.kill()
        self._guard.communicate()
        return code

    def last_lines(self, count: int = 30) -> str:
        """The end of what it has printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
