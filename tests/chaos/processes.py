"""The programs of a chaos as processes, each with a log of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import anyio.to_thread

ROOT: Final = Path(__file__).resolve().parents[2]
END_S_MAX: Final = 240.0
"""A failure limit: how long a program may take that was asked to end."""


class Program:
    """A program in a process."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._is_ending = False
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.programs", name, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=file,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit(self) -> int | None:
        """With what it has ended; None if it goes on."""
        return self._process.poll()

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, and nobody has asked it to."""
        return not self._is_ending and self.exit is not None

    def last_line(self) -> str:
        """The end of what it has logged."""
        return self.log.read_text(errors="replace").rstrip().rpartition("\n")[2]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def tell(self, line: str) -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._is_ending = True
        self._process.kill()
        self._process.communicate()

    async def end(self) -> int:
        """Ask it to end, and wait until it has."""
        self._is_ending = True
        self._process.terminate()
        return await self.ended()

    async def told_all(self) -> int:
        """Say that nothing more comes, and wait until it has ended."""
        assert self._process.stdin is not None
        self._is_ending = True
        self._process.stdin.close()
        return await self.ended()

    async def ended(self) -> int:
        code = await anyio.to_thread.run_sync(self._process.wait, END_S_MAX)
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        return code
