"""The number of the stored format, which stands in everything that is stored, and what is said of another number.

It goes up when an older release would misread what is written, or would lose a part of it by writing it again. A field
with a default that is added at the end is read in older bytes as its default.

Whatever a later format looks like, a record of the log begins with the number and the key whose entity it goes to, and
a stored row with the number and something that is no array.
"""

from __future__ import annotations

from typing import Final

FORMAT: Final = 2
"""What this release writes, and reads."""
UNNUMBERED: Final = 1
"""What builds before the first release wrote, without a number."""


def unknown_format(number: int) -> str:
    """Why something of another format cannot be read, and what to do."""
    if number > FORMAT:
        return (
            f"it is of format {number}, and this release of dagger reads format {FORMAT}; "
            "use the release that has written it, or a later one"
        )
    return (
        f"it is of format {number}, from a build of dagger before its first release, and this release reads format "
        f"{FORMAT}; let its instances end under that build, then begin anew with another file or application name"
    )
