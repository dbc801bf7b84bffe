"""Random templates over all constructs, and random schedules for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from dagger import (
    Retry,
    Step,
    Template,
    all_of,
    any_of,
    at_least,
    command,
    for_each,
    listener,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)
from dagger.dsl import nodes
from dagger.dsl.functions import fn_of
from dagger.dsl.paths import walk
from tests.model import words
from tests.model.schedule import Action, Advance, Case, Deliver, Finish, Lag, Signal, Start, Stop
from tests.model.words import BUSINESS_KEY, KEYS, LISTENED, PUBLISHED, SIGNALS, Gives, Misfits, Note, Raises

AnyStep = Step[Any, Any]
Draw = Callable[..., Any]

salts = st.integers(0, 3)
seconds = st.integers(1, 4).map(lambda n: timedelta(seconds=n))
DEPTH_MAX = 3


class Gardener:
    """Grows one template; every step gets a name that no other has."""

    def __init__(self, draw: Draw, *, engine: bool = False) -> None:
        self.draw = draw
        self.numbers = count(1)
        computed = not engine or draw(st.booleans())
        self.listened = LISTENED if not (engine and computed) else LISTENED[:2]
        self.keys = st.none() | st.builds(words.Awaited, salts, st.booleans()) if computed else st.none()

    def name(self, letter: str) -> str:
        return f"{letter}{next(self.numbers)}"

    # Leaves.

    def leaf(self) -> AnyStep:
        kind: Callable[[Gardener], AnyStep] = self.draw(st.sampled_from(LEAVES))
        return kind(self)

    def raw_command(self) -> AnyStep:
        topic = self.draw(st.sampled_from(PUBLISHED))
        return applied(words.Noted()) >> command(topic).named(self.name("c"))

    def command(self) -> AnyStep:
        topic = self.draw(st.sampled_from(PUBLISHED))
        shapes = st.sampled_from(["one", "one", "two", "none", "envelope", "keyless", "fragile"])
        return command(topic)(words.Build(self.draw(shapes), self.draw(salts))).named(self.name("c"))

    def raw_listener(self) -> AnyStep:
        return self.listening(None)

    def listener(self) -> AnyStep:
        folds = st.builds(words.Fold, salts, st.booleans()) | st.builds(words.FoldNote, salts)
        return self.listening(self.draw(folds))

    def collector(self) -> AnyStep:
        fold = self.draw(st.builds(words.Collect, st.integers(2, 4), st.booleans()))
        return applied(words.Bagged()) >> self.listening(fold)

    def counter(self) -> AnyStep:
        return applied(words.Total()) >> self.listening(words.Count())

    def listening(self, fold: Any) -> AnyStep:
        topic = self.draw(st.sampled_from(self.listened))
        on = self.draw(self.keys)
        by = self.draw(st.sampled_from([None, None, None, words.Key("other"), words.Key("both")]))
        raw: Any = listener(topic, by=by) if on is None else listener(topic, on=on, by=by)
        step: AnyStep = raw if fold is None else raw(fold)
        return step.named(self.name("l"))

    def signal(self) -> AnyStep:
        raw = signal(self.draw(st.sampled_from(SIGNALS)), int)
        step = raw(words.FoldSignal(self.draw(salts))) if self.draw(st.booleans()) else raw
        return step.named(self.name("g"))

    def task(self) -> AnyStep:
        kind = self.draw(st.sampled_from([words.WorkInt, words.WorkNote, words.WorkBag]))
        retry = self.draw(st.none() | retries)
        timeout = self.draw(st.none() | seconds)
        return task(retry=retry, timeout=timeout)(kind(self.draw(salts))).named(self.name("t"))

    def sleep(self) -> AnyStep:
        return sleep(timedelta(seconds=self.draw(st.integers(0, 3)))).named(self.name("z"))

    def wait_until(self) -> AnyStep:
        flaw = self.draw(st.sampled_from(["", "", "", "naive", "none"]))
        return wait_until(words.At(self.draw(st.integers(0, 4)), flaw)).named(self.name("u"))

    def then(self) -> AnyStep:
        fns = st.sampled_from([words.Total(), words.Bagged()]) | st.builds(words.Breaks, salts)
        return self.leaf().then(self.draw(fns))

    # What is made of others.

    def step(self, depth: int) -> AnyStep:
        if depth == 0:
            return self.leaf()
        kind: Callable[[Gardener, int], AnyStep] = self.draw(st.sampled_from(STEMS))
        return kind(self, depth - 1)

    def chain(self, depth: int) -> AnyStep:
        chain = self.step(depth)
        for _ in range(self.draw(st.integers(1, 2))):
            chain = chain >> self.step(depth)
        return chain

    def process(self, depth: int) -> AnyStep:
        name, body = self.name("p"), self.step(depth)
        if self.draw(st.booleans()):
            return process(name, body)
        after, otherwise = self.draw(seconds), self.otherwise(depth)
        if otherwise is None:
            return process(name, body, timeout=after)
        return process(name, body, timeout=after, otherwise=otherwise)

    def timeout(self, depth: int) -> AnyStep:
        body, after, otherwise = self.step(depth), self.draw(seconds), self.otherwise(depth)
        return body.timeout(after) if otherwise is None else body.timeout(after, otherwise=otherwise)

    def otherwise(self, depth: int) -> Any:
        kind = self.draw(st.integers(0, 2))
        return (None, words.Total())[kind] if kind < 2 else self.step(min(depth, 1))

    def retry(self, depth: int) -> AnyStep:
        return self.step(depth).retry(self.draw(retries))

    def recover(self, depth: int) -> AnyStep:
        return self.step(depth).recover(self.step(min(depth, 1)))

    def named(self, depth: int) -> AnyStep:
        return self.group(depth).named(self.name("n"))

    def group(self, depth: int) -> AnyStep:
        branches: list[Any] = [self.step(depth) for _ in range(self.draw(st.integers(2, 3)))]
        kind = self.draw(st.sampled_from(["all", "any", "least"]))
        if kind == "least":
            return at_least(self.draw(st.integers(1, len(branches))), *branches)
        return all_of(*branches) if kind == "all" else any_of(*branches)

    def switch(self, depth: int) -> AnyStep:
        if self.draw(st.booleans()):
            decided = switch(words.IsEven()).case(True, self.step(depth)).case(False, self.step(depth))
            return decided.named(self.name("w"))
        chosen: Any = switch(words.Pick(3)).case(0, self.step(depth))
        if self.draw(st.booleans()):
            chosen = chosen.case(1, self.step(depth))
        if self.draw(st.booleans()):
            chosen = chosen.otherwise(self.step(depth))
        return chosen.named(self.name("w"))  # type: ignore[no-any-return]  # grown without types

    def for_each(self, depth: int) -> AnyStep:
        items = self.draw(st.builds(words.Items, st.integers(1, 4), st.just(False) | st.booleans()))
        limit = self.draw(st.none() | st.integers(1, 3))
        return for_each(items, self.step(depth), limit=limit).named(self.name("f"))


def applied(fn: Any) -> AnyStep:
    """A pure function as a step of its own."""
    return Step(nodes.Apply(fn=fn_of(fn, "then")))


retries = st.builds(
    Retry,
    attempts=st.integers(1, 3),
    first=st.integers(0, 2).map(lambda n: timedelta(seconds=n)),
    factor=st.sampled_from([1.0, 2.0]),
    longest=st.sampled_from([timedelta(seconds=1), timedelta(seconds=60)]),
    on=st.sampled_from([Exception, words.Boom, words.Dud, (words.Dud, TimeoutError)]),
)

LEAVES = [
    Gardener.raw_command,
    Gardener.command,
    Gardener.command,
    Gardener.raw_listener,
    Gardener.listener,
    Gardener.listener,
    Gardener.collector,
    Gardener.counter,
    Gardener.signal,
    Gardener.task,
    Gardener.task,
    Gardener.sleep,
    Gardener.wait_until,
    Gardener.then,
]
STEMS = [
    Gardener.chain,
    Gardener.chain,
    Gardener.chain,
    Gardener.process,
    Gardener.timeout,
    Gardener.retry,
    Gardener.recover,
    Gardener.group,
    Gardener.group,
    Gardener.named,
    Gardener.switch,
    Gardener.for_each,
]


@st.composite
def steps(draw: Draw, depth: int = DEPTH_MAX, *, engine: bool = False) -> AnyStep:
    """A step of any kind."""
    return Gardener(draw, engine=engine).step(draw(st.integers(0, depth)))


@st.composite
def templates(draw: Draw, depth: int = DEPTH_MAX, *, engine: bool = False) -> Template[Any, Any]:
    """A template of any shape.

    For an `engine` no step waits for a computed key where the template listens to what it publishes: a message
    takes a longer way through a broker than a subscription through the log, and which comes first is not told.
    """
    return template("Random", draw(steps(depth, engine=engine)), key=words.BusinessKey(), takes=int)


# Schedules.

notes = st.builds(
    Note, key=st.sampled_from([BUSINESS_KEY, BUSINESS_KEY, *KEYS]), n=st.integers(0, 5), other=st.sampled_from(KEYS)
)
ids = st.sampled_from([None, None, "m1", "m2", "m3"])
outcomes = st.one_of(
    st.builds(Gives, st.integers(0, 3)),
    st.builds(Gives, st.integers(0, 3)),
    st.builds(Raises, st.integers(0, 2)),
    st.just(Misfits()),
)
pauses = st.sampled_from(
    [timedelta(seconds=n) for n in (1, 1, 2, 3, 4, 10)] + [timedelta(days=7), timedelta(days=7, seconds=-1)]
)


def happenings(template: Template[Any, Any], *, lags: bool) -> st.SearchStrategy[Action]:
    """What may happen to an instance that is there."""
    found = [node for _, node in walk(template.body)]
    kinds: list[st.SearchStrategy[Action]] = [st.builds(Advance, pauses)]
    topics = sorted({node.topic.name for node in found if isinstance(node, nodes.Listen)})
    signals = sorted({node.signal for node in found if isinstance(node, nodes.Await)})
    if topics:
        kinds += [deliveries(topics)] * 2
    if signals:
        kinds += [st.builds(Signal, st.sampled_from(signals), st.integers(0, 3))]
    if any(isinstance(node, nodes.Task) for node in found):
        kinds += [st.builds(Finish, st.integers(0, 3), outcomes)] * 2
    if lags:
        kinds += [st.builds(Lag, seconds)]
    rare: st.SearchStrategy[Action] = st.sampled_from([Start(), Stop()])
    return st.integers(0, 19).flatmap(lambda n: rare if n == 19 else st.one_of(kinds))


def deliveries(topics: list[str]) -> st.SearchStrategy[Action]:
    """Messages of topics."""
    values = [topic for topic in LISTENED if topic.name in topics]
    return st.builds(Deliver, st.sampled_from(values), notes, ids)


@st.composite
def cases(draw: Draw, *, engine: bool = False) -> Case:
    """A template, an input, an id and a schedule; for an `engine`, whose clock is never late."""
    grown = draw(templates(engine=engine))
    found = [node for _, node in walk(grown.body)]
    listened = sorted({node.topic.name for node in found if isinstance(node, nodes.Listen)})
    before = draw(st.lists(deliveries(listened) | st.builds(Advance, pauses), max_size=4)) if listened else []
    least = draw(st.sampled_from([0, 6]))
    after = draw(st.lists(happenings(grown, lags=not engine), min_size=least, max_size=14))
    computed = any(isinstance(node, nodes.Listen) and node.on for node in found)
    return Case(
        template=grown,
        value=draw(st.integers(0, 9)),
        id=draw(st.sampled_from([BUSINESS_KEY, "an-id"])),
        actions=(*before, Start(), *after),
        early_limit=16 if computed else draw(st.sampled_from([16, 2, 1])),
    )
