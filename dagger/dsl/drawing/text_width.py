"""How wide a text will be, without a font: by classes of characters, for the widest of the common fonts.

The fonts that a reader's machine has are not known where an SVG is written. The numbers are those of DejaVu
Sans and Verdana, the widest of the usual sans-serifs, so that a text never leaves its box; in others there is
some air.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

BOLD: Final = 1.1
"""How much wider bold letters are."""

_MONO: Final = 0.61

_CLASSES: Final = {
    0.34: "iIjl.,:;'|!`",
    0.43: '()[]{}/\\frt -"',
    0.76: "ABCDEGHKNOPQRSTUVXYZ&w",
    0.96: "Mm%æœ",
    1.02: "W@",
    0.85: "→←×+=<>~^#…",
}

_WIDTHS: Final = {sign: width for width, signs in _CLASSES.items() for sign in signs}


def width_of(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """The width of a text in a font of `size`, in the same unit."""
    return sum(map(_mono if mono else _sans, text)) * size * (BOLD if bold else 1)


def fitted(text: str, room: float, size: float, *, bold: bool = False, mono: bool = False) -> str:
    """The text, or as much of its start as there is room for and an ellipsis."""
    if width_of(text, size, bold=bold, mono=mono) <= room:
        return text
    used = width_of("…", size, bold=bold, mono=mono)
    for place, sign in enumerate(text):
        used += width_of(sign, size, bold=bold, mono=mono)
        if used > room:
            return text[:place].rstrip() + "…"
    return text


@lru_cache(maxsize=4096)
def _sans(sign: str) -> float:
    return _WIDTHS.get(sign) or _unlisted(sign, 0.66 if ord(sign) < 0x250 else 0.8)


@lru_cache(maxsize=4096)
def _mono(sign: str) -> float:
    return _unlisted(sign, _MONO)


def _unlisted(sign: str, usual: float) -> float:
    """Marks that stand on the letter before take no room; ideographs and pictures take a square."""
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    wide = unicodedata.east_asian_width(sign) in "WF" or unicodedata.category(sign) == "So" or ord(sign) > 0xFFFF
    return max(usual, 1.3) if wide else usual
