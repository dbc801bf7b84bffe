"""Rows of the outcome table are packed, and none is lost or moved."""

from __future__ import annotations

import pytest

from dagger.core.table import CHUNK, NEVER, OPEN_MAX, Row, packed, rows_of, unpacked, with_chunks


def rows(count: int) -> list[Row]:
    return [(1, number, 2, 3) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, CHUNK, OPEN_MAX - 1, OPEN_MAX, OPEN_MAX + 1, OPEN_MAX + CHUNK, 1_000])
def test_packed_rows_are_the_same_and_some_stay_open(count: int) -> None:
    chunks, left = packed((), rows(count))
    assert rows_of(chunks, left, count + 2) == [*rows(count), NEVER, NEVER]
    assert {len(unpacked(chunk)) for chunk in chunks} <= {CHUNK}
    assert len(left) < OPEN_MAX
    assert len(left) >= min(count, OPEN_MAX - CHUNK)


def test_rows_are_packed_behind_those_that_were() -> None:
    chunks, left = packed((), rows(OPEN_MAX))
    chunks, left = packed(chunks, [*left, *rows(CHUNK)])
    assert rows_of(chunks, left, 0) == [*rows(OPEN_MAX), *rows(CHUNK)]


def test_a_chunk_is_replaced_and_the_others_stay() -> None:
    chunks, left = packed((), rows(OPEN_MAX + CHUNK))
    chunks = with_chunks(chunks, {1: [NEVER] * CHUNK})
    assert rows_of(chunks, left, 0) == [*rows(CHUNK), *[NEVER] * CHUNK, *rows(OPEN_MAX + CHUNK)[2 * CHUNK :]]
