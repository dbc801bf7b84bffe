"""What the demo shows while it runs and when it is done: a bar, marks, a table. Plain text where colours don't work."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

import anyio

_PERIOD_S: Final = 0.04
_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"
_PLAIN: Final = str.maketrans({"─": "-", "│": "|", "├": "|", "└": "`", "→": ">", "←": "<", "✔": "+", "✘": "x"})
"""For terminals without these signs."""


class Terminal:
    """Writes to a stream; in colour, and with a moving bar, if that is a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.is_live = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = self.is_live and "NO_COLOR" not in os.environ
        self._is_plain = not _can_write("━✔│", self._out.encoding)

    def say(self, text: str = "") -> None:
        """Write a line."""
        if self._is_plain:
            text = text.translate(_PLAIN).encode("ascii", "replace").decode()
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:  # nobody reads any more, as behind `| head`: go on in silence
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def good(self, text: str) -> str:
        """As good news."""
        return self._painted(text, _GREEN)

    def bad(self, text: str) -> str:
        """As bad news."""
        return self._painted(text, _RED)

    def dim(self, text: str) -> str:
        """As a side note."""
        return self._painted(text, _DIM)

    def bold(self, text: str) -> str:
        """As a heading."""
        return self._painted(text, _BOLD)

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours else text

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns: the first to the left, the others, which are numbers, to the right."""
        widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        for number, row in enumerate((head, *rows)):
            first, *others = [
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            line = "   ".join([first, *others])
            self.say(f"  {self.dim(line) if number == 0 else line}")

    async def follow(self, what: str, done: Callable[[], int], total: int) -> None:
        """Draw a bar until all is done. Where nothing can be drawn over, a line for each quarter."""
        shown = 0
        while True:
            count = done()
            if self.is_live:
                self._draw(what, count, total)
            elif total and count * 4 // total > shown:
                shown = count * 4 // total
                self.say(f"{what}: {count:,} of {total:,}")
            if count >= total:
                break
            await anyio.sleep(_PERIOD_S)
        if self.is_live:
            self._write("\n")

    def _draw(self, what: str, count: int, total: int) -> None:
        width = min(shutil.get_terminal_size().columns, 100)
        numbers = f"{count:,}".rjust(len(f"{total:,}")) + f" of {total:,}"
        room = max(4, width - len(what) - len(numbers) - 5)
        filled = room * count // total if total else room
        full, empty = ("#", "-") if self._is_plain else ("━", "─")
        bar = self.good(full * filled) + self.dim(empty * (room - filled))
        self._write(f"\r{what}  {bar}  {numbers}")


def _can_write(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
