"""What the core says to people."""

from __future__ import annotations

import pytest

from dagger.core.format import FORMAT, unknown_format
from dagger.core.functions import took_longer

SECOND = 1_000_000
DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25 s"),
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 minute"),
        (90, "90 s"),
        (120, "2 minutes"),
        (5_400, "90 minutes"),
        (3_600, "1 hour"),
        (7_200, "2 hours"),
        (DAY, "1 day"),
        (DAY + 3_600, "25 hours"),
        (2 * DAY, "2 days"),
    ],
)
def test_a_time_is_said_in_the_largest_unit_of_which_it_is_a_whole_number(seconds: float, text: str) -> None:
    assert took_longer(int(seconds * SECOND)) == f"took longer than {text}"


def test_a_later_format_asks_for_a_later_release() -> None:
    text = unknown_format(FORMAT + 1)
    assert text.startswith(f"it is of format {FORMAT + 1}, and this release of dagger reads format {FORMAT}; ")
    assert text.endswith("or a later one")


def test_an_earlier_format_is_that_of_a_build_before_the_first_release() -> None:
    text = unknown_format(FORMAT - 1)
    assert text.startswith(f"it is of format {FORMAT - 1}, from a build of dagger before its first release")
    assert text.endswith("then begin anew with another file or application name")
