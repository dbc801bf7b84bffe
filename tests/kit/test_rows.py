"""Rows in memory are bounded by number and by size; what was dropped is read again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dagger import Status, listener, template
from dagger.dsl.topics import Topic
from dagger.engine.worker import rows
from dagger.testing import TestEngine

SIZE = 10_000
COUNT = 30
BYTES_MAX = 5 * SIZE


@dataclass(frozen=True)
class Word:
    key: str
    text: str = ""


def key_of(word: Word) -> str:
    return word.key


words = Topic("WORDS", Word, key=key_of)


@listener(words)
def longer(word: Word, message: Word) -> Word:
    return Word(word.key, word.text + message.text)


@listener(words)
def shorter(word: Word, message: Word) -> Word:
    return Word(word.key, word.text[:SIZE])


talk = template("Talk", longer.named("first") >> longer.named("second") >> shorter, key=key_of)


@pytest.mark.parametrize(("name", "bound"), [("CACHE_BYTES_MAX", BYTES_MAX), ("CACHE_MAX", 5)])
async def test_what_is_too_much_is_dropped_and_read_again(
    dagger_engine: TestEngine, name: str, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, name, bound)
    kept = dagger_engine._worker._rows
    runs = [await dagger_engine.start(talk, Word(f"w-{number}", "x" * SIZE)) for number in range(COUNT)]
    for _ in range(2):
        for number in range(COUNT):
            await dagger_engine.deliver(words, Word(f"w-{number}", "y" * SIZE))
            assert kept.size <= rows.CACHE_BYTES_MAX
            assert len(kept) <= rows.CACHE_MAX
            assert kept.size == sum(row.size for row in kept.values())
    for number in range(COUNT):
        await dagger_engine.deliver(words, Word(f"w-{number}"))
    assert {(run.status, run.result.text) for run in runs} == {(Status.COMPLETED, "x" * SIZE)}
    assert (len(kept), kept.size) == (0, 0)


async def test_nothing_is_dropped_within_the_bounds(dagger_engine: TestEngine) -> None:
    kept = dagger_engine._worker._rows
    await dagger_engine.start(talk, Word("w-1", "x" * SIZE))
    first = kept.size
    assert SIZE < first < 3 * SIZE
    await dagger_engine.deliver(words, Word("w-1", "y" * SIZE))
    assert first < kept.size < first + 2 * SIZE
