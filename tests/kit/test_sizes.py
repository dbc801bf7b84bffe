"""What is too large for the store is refused where it is given, or fails its instance; the next record is applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from dagger import (
    Dagger,
    Failure,
    Status,
    Topic,
    WrongInput,
    command,
    for_each,
    listener,
    signal,
    sleep,
    task,
    template,
)
from dagger.backends.memory import MemoryBackend
from dagger.engine.headers import texts_of
from dagger.engine.ports import Append
from dagger.engine.worker.decoding import DEAD_LETTERS
from dagger.testing import TestEngine

SIZE_MAX = 4_000


class Small(MemoryBackend):
    size_max = SIZE_MAX


@dataclass(frozen=True)
class Word:
    key: str
    text: str = ""


words = Topic("WORDS", Word, key=lambda m: m.key)


def key_of(word: Word) -> str:
    return word.key


@task
def grow(word: Word) -> Word:
    return Word(word.key, "x" * (SIZE_MAX if word.text == "grow" else 1))


def nine(word: Word) -> list[int]:
    return list(range(9))


@pytest.fixture
def small_engine() -> TestEngine:
    return TestEngine(backend=Small())


growing = template("Growing", grow >> sleep(timedelta(hours=1)), key=key_of)


async def test_a_value_that_is_too_large_fails_its_instance_and_no_other(small_engine: TestEngine) -> None:
    large = await small_engine.start(growing, Word("large", "grow"))
    fine = await small_engine.start(growing, Word("fine"))
    await small_engine.advance(timedelta(hours=1))
    assert large.status is Status.FAILURE
    assert str(large.error).startswith("grow: TooLarge: its record would have ")
    assert str(large.error).endswith(f"and may have {SIZE_MAX:,}")
    assert fine.status is Status.COMPLETED


async def test_several_values_that_are_too_large_together(small_engine: TestEngine) -> None:
    many = template("Many", for_each(nine, listener(words)), key=key_of)
    run = await small_engine.start(many, Word("k"))
    for number in range(9):
        await small_engine.deliver(words, Word("k", "x" * 900), id=f"m-{number}")
    assert run.status is Status.FAILURE
    assert run.error is not None
    assert run.error.type == "TooLarge"


async def test_messages_that_are_held_and_too_large_together_go_to_the_dead_letters(small_engine: TestEngine) -> None:
    small_engine.register(template("Waits", listener(words), key=key_of, takes=Word))
    for number in range(9):
        await small_engine.deliver(words, Word("nobody", "x" * 900), id=f"m-{number}")
    letters = [record for record in small_engine.memory.log.history if record.topic == DEAD_LETTERS]
    assert len(letters) == 5
    assert "TooLarge" in texts_of(letters[0].headers)["dagger-reason"]
    run = await small_engine.start(template("Waits", listener(words), key=key_of, takes=Word), Word("nobody"))
    assert run.status is Status.COMPLETED


async def test_what_comes_early_and_is_too_large_together_is_not_kept(
    small_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """As what is beyond `early_limit` is not; the instance goes on."""
    later = template("Later", signal("go", bool) >> listener(words), key=key_of, takes=Word)
    run = await small_engine.start(later, Word("k"))
    for number in range(9):
        await small_engine.deliver(words, Word("k", str(number) * 900), id=f"m-{number}")
    assert run.status is Status.EXECUTING
    assert small_engine.counts == {"unmatched_overflow": 5}
    assert [line.levelname for line in caplog.records if "came early is not kept" in line.message] == ["ERROR"] * 5
    await small_engine.signal(run, "go", True)
    assert run.result == Word("k", "0" * 900)


async def test_what_is_given_too_large_is_refused(small_engine: TestEngine) -> None:
    asked = template("Asked", signal("say", str), key=key_of, takes=Word)
    run = await small_engine.start(asked, Word("k"))
    large = "x" * SIZE_MAX
    with pytest.raises(WrongInput, match=r"the input of instance 'k2' has 4,0.. bytes, and may have 4,000"):
        await small_engine.start(asked, Word("k2", large))
    with pytest.raises(WrongInput, match="a message for topic 'WORDS' has"):
        await small_engine.publish(words, Word("k", large))
    with pytest.raises(WrongInput, match="a message for topic 'WORDS' has"):
        await small_engine.publish_all(words, [Word("k"), Word("k", large)])
    with pytest.raises(WrongInput, match="the signal 'say' has"):
        await small_engine.signal(run, "say", large)
    assert small_engine.sent(words) == []
    await small_engine.signal(run, "say", "a little")
    assert run.result == "a little"


async def test_a_record_that_cannot_be_read_is_put_aside(dagger_engine: TestEngine) -> None:
    dagger_engine.register(growing)
    await dagger_engine.run_until_idle()
    await dagger_engine.memory.log.append([Append(0, b"\xc1 no record"), Append(0, b"\x92\xa1k\x91\x63")])
    run = await dagger_engine.start(growing, Word("fine"))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.status is Status.COMPLETED
    assert dagger_engine.counts["poison"] == 2
    letters = [record for record in dagger_engine.memory.log.history if record.topic == DEAD_LETTERS]
    assert [letter.payload for letter in letters] == [b"\xc1 no record", b"\x92\xa1k\x91\x63"]


sends = Topic("SENDS", Word, key=lambda m: m.key)


@command(sends)
def send(word: Word) -> Word:
    return Word(word.key, "x" * (SIZE_MAX if word.text == "grow" else 1))


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_message_that_a_command_builds_too_large_fails_its_instance(
    small_engine: TestEngine, atomic: bool
) -> None:
    """Also where no record keeps what was ordered."""
    engine = small_engine
    engine.memory.atomic = atomic
    sending = template("Sending", listener(words) >> send, key=key_of, takes=Word)
    run = await engine.start(sending, Word("large"))
    fine = await engine.start(sending, Word("fine"))
    await engine.deliver(words, Word("large", "grow"))
    await engine.deliver(words, Word("fine"))
    assert run.status is Status.FAILURE
    assert run.error is not None
    assert run.error.type == "TooLarge"
    assert fine.status is Status.COMPLETED
    assert engine.sent(sends) == [Word("fine", "x")]


async def test_a_message_that_comes_too_large_goes_to_the_dead_letters_of_its_topic(
    small_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    run = await small_engine.start(template("Waits", listener(words), key=key_of, takes=Word), Word("k"))
    small_engine.start_on(sends, growing)
    large = words.wire.encode(Word("k", "x" * SIZE_MAX))
    for topic in (words, sends):
        await small_engine.deliver_raw(topic, large, key="k", headers={"trace": "t"})
    assert (run.status, await small_engine.count()) == (Status.EXECUTING, 1)
    for topic in (words, sends):
        [(payload, headers)] = small_engine.dead_letters(topic)
        assert payload == large
        assert headers.pop("dagger-reason").startswith("TooLarge: its record would have 4,")
        assert headers == {
            "trace": "t",
            "dagger-topic": topic.name,
            "dagger-partition": headers["dagger-partition"],
            "dagger-offset": "0",
        }
    assert (small_engine.counts["too_large"], small_engine.counts["dead_letters"]) == (2, 2)
    told = [record for record in caplog.records if "TooLarge" in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR", "ERROR"]
    await small_engine.deliver(words, Word("k"))
    assert run.status is Status.COMPLETED


@task
def flood(word: Word) -> str:
    return "x" * 100_000


async def test_a_result_that_no_record_of_the_log_can_hold_fails_its_step(small_engine: TestEngine) -> None:
    run = await small_engine.start(template("Flood", flood, key=key_of), Word("large"))
    assert str(run.error) == "flood: TooLarge: its result has 100,005 bytes, and may have 4,000"
    assert run.step("flood").status is Status.FAILURE


def nine_words(word: Word) -> list[Word]:
    return [Word(word.key, "x" * 900)] * 9


def letters_of(engine: TestEngine) -> list[str]:
    history = engine.memory.log.history
    return [texts_of(record.headers)["dagger-reason"] for record in history if record.topic == DEAD_LETTERS]


async def test_a_first_step_that_is_too_large_fails_its_instance(small_engine: TestEngine) -> None:
    large = template("Large", for_each(nine_words, grow), key=key_of)
    run = await small_engine.start(large, Word("k"))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("TooLarge: its record would have ")
    found = await small_engine.get_instance("k")
    assert found.input == Word("k")
    assert {step.status for step in found.steps} == {Status.SKIPPED}
    assert await small_engine.count(status="FAILURE") == 1
    assert not letters_of(small_engine)
    again = await small_engine.start(large, Word("k"))
    assert again.status is Status.FAILURE


async def test_messages_that_were_kept_for_a_first_step_that_is_too_large_have_nobody(small_engine: TestEngine) -> None:
    large = template("Large", listener(words) >> for_each(nine_words, grow), key=key_of, takes=Word)
    small_engine.register(large)
    await small_engine.deliver(words, Word("k"), id="m-1")
    await small_engine.deliver(words, Word("k"), id="m-2")
    run = await small_engine.start(large, Word("k"))
    assert run.status is Status.FAILURE
    assert small_engine.counts == {"unmatched_ended": 2}


async def test_an_input_with_which_no_record_fits_is_refused(small_engine: TestEngine) -> None:
    """Also where the input alone would fit."""
    for size in range(SIZE_MAX - 700, SIZE_MAX, 20):
        try:
            run = await small_engine.start(growing, Word(f"k-{size}", "x" * size))
        except WrongInput:
            break
        await small_engine.advance(timedelta(hours=1))
        assert run.status.is_end
    else:
        raise AssertionError("none was refused")
    with pytest.raises(WrongInput, match="and may have 4,000"):
        await small_engine.start(growing, Word("k"), id="x" * SIZE_MAX)


async def test_a_message_that_starts_what_does_not_fit_goes_to_the_dead_letters(
    small_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Its record does not fit, even of an instance that has failed at once."""
    small_engine.start_on(words, growing)
    await small_engine.deliver(words, Word("k", "x" * (SIZE_MAX - 120)))
    (reason,) = letters_of(small_engine)
    assert reason.startswith("TooLarge: its record would have ")
    assert small_engine.counts == {"poison": 1}
    assert [line.levelname for line in caplog.records if "is dead-lettered" in line.message] == ["ERROR"]
    assert await small_engine.count() == 0


hears = Topic("HEARS", Word, key=key_of)


@command(words)
def tell_many(word: Word) -> list[Word]:
    return [Word("other", "x" * 700)] * 3


def five(word: Word) -> list[Word]:
    return [word] * 5


async def test_what_a_batch_has_ordered_together_fails_nobody(small_engine: TestEngine) -> None:
    """Each step fits with what it orders; that of five steps would not. They come in one batch."""
    body = listener(hears).named("hears") >> tell_many
    tells = template("Tells", for_each(five, body), key=key_of)
    run = await small_engine.start(tells, Word("k"))
    async with Dagger(backend=small_engine.memory).client() as client:
        client.register(tells)
        await client.publish_all(hears, [Word("k", str(number)) for number in range(5)])
    await small_engine.run_until_idle()
    assert run.status is Status.COMPLETED
    assert len(small_engine.sent(words)) == 15


async def test_of_a_batch_only_what_is_too_large_itself_fails(small_engine: TestEngine) -> None:
    """The messages before the large one are folded in, and the instances beside it go on."""
    three = template("Three", for_each(nine, listener(hears)), key=key_of)
    runs = [await small_engine.start(three, Word(key)) for key in ("a", "b")]
    async with Dagger(backend=small_engine.memory).client() as client:
        client.register(three)
        sent = [Word("a", "x" * 10), Word("b"), Word("a", "x" * 10), Word("a", "x" * (SIZE_MAX - 300)), Word("b")]
        await client.publish_all(hears, sent)
    await small_engine.run_until_idle()
    assert [run.status for run in runs] == [Status.FAILURE, Status.EXECUTING]
    done = [step for step in runs[0].instance.steps if step.path.endswith("HEARS")]
    assert [step.attempts for step in done] == [9]
    assert not letters_of(small_engine)
    assert small_engine.counts == {}


async def test_a_key_with_too_many_subscribers_fails_who_comes_last(small_engine: TestEngine) -> None:
    waits = template("Waits", listener(words, on=lambda word: "all"), key=key_of, takes=Word)
    runs = [await small_engine.start(waits, Word(f"{number:02}-{'x' * 100}")) for number in range(50)]
    failed = [run for run in runs if run.status is Status.FAILURE]
    assert 0 < len(failed) < 40
    assert all("the key 'all' has too many subscribers" in str(run.error) for run in failed)
    assert runs[0].status is Status.EXECUTING
    assert len(letters_of(small_engine)) == len(failed)


@pytest.mark.parametrize("left", range(0, 600, 20))
async def test_an_instance_that_fails_fits_however_full_its_record_was(small_engine: TestEngine, left: int) -> None:
    """There may be no room even for why it fails: then what else is kept of it goes."""
    asks = template("Asks", signal("first", str) >> signal("say", str), key=key_of, takes=Word)
    run = await small_engine.start(asks, Word("k", "x" * (SIZE_MAX - 1200 - left)))
    for _ in range(20):
        await small_engine.signal(run, "say", "x" * 100)
    assert run.status is Status.FAILURE
    assert run.error is not None
    assert run.error.type == "TooLarge"
    assert run.instance.input.key == "k"


def instead(failure: Failure[Word]) -> Word:
    return Word(failure.input.key, failure.error.partition(":")[0])


async def test_a_value_that_is_too_large_is_a_failure_that_may_be_handled(small_engine: TestEngine) -> None:
    handled = template("Handled", grow.recover(instead) >> sleep(timedelta(hours=1)), key=key_of)
    run = await small_engine.start(handled, Word("large", "grow"))
    await small_engine.advance(timedelta(hours=1))
    assert run.result == Word("large", "TooLarge")
    assert run.step("grow").status is Status.FAILURE


async def test_a_message_that_makes_too_much_fails_the_step_that_heard_it(small_engine: TestEngine) -> None:
    @listener(words)
    def grown(word: Word, message: Word) -> Word:
        return Word(word.key, "x" * SIZE_MAX)

    hears = template("Hears", grown.recover(instead) >> sleep(timedelta(hours=1)), key=key_of)
    run = await small_engine.start(hears, Word("w"))
    await small_engine.deliver(words, Word("w"))
    await small_engine.advance(timedelta(hours=1))
    assert run.result == Word("w", "TooLarge")
