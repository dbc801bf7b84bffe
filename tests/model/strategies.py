"""Random templates over all constructs, and random schedules for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from dagger import (
    BusinessError,
    Retry,
    Status,
    Step,
    Template,
    all_of,
    any_of,
    at_least,
    command,
    fail,
    for_each,
    keep,
    listener,
    match,
    process,
    pure,
    race,
    repeat,
    signal,
    skippable,
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
from tests.model.drivers import refer
from tests.model.pieces import WaitPiece
from tests.model.reference import Reference
from tests.model.schedule import Action, Advance, Case, Deliver, Finish, Lag, Release, Signal, Start, Stop
from tests.model.words import BUSINESS_KEY, KEYS, LISTENED, PUBLISHED, SIGNALS, Gives, Misfits, Note, Raises

AnyStep = Step[Any, Any]
AnyTemplate = Template[Any, Any]
Draw = Callable[..., Any]
Happening = st.SearchStrategy[Action]

salts = st.integers(0, 3)
rarely = st.integers(0, 5).map(lambda n: n == 5)
seconds = st.sampled_from([1, 1, 2, 3]).map(lambda n: timedelta(seconds=n))


class Gardener:
    """Grows one template; every step gets a name that no other has.

    Each template is of a few kinds of steps only, so that these meet often. For an `engine` no step waits for a
    computed key where the template listens to what it publishes: a message takes a longer way through a broker
    than a subscription through the log, and which comes first is not told.
    """

    def __init__(self, draw: Draw, *, engine: bool = False) -> None:
        self.draw = draw
        self.numbers = count(1)
        self.leaves = draw(st.lists(st.sampled_from(LEAVES), min_size=2, max_size=5))
        self.stems = draw(st.lists(st.sampled_from(STEMS), min_size=2, max_size=5))
        computed = draw(st.booleans())
        topics = LISTENED[:2] if engine and computed else LISTENED
        self.listened = draw(st.lists(st.sampled_from(topics), min_size=1, max_size=3))
        self.keys = st.none() | st.builds(words.Awaited, salts, rarely) if computed else st.none()

    def name(self, letter: str) -> str:
        return f"{letter}{next(self.numbers)}"

    # Leaves.

    def leaf(self) -> AnyStep:
        kind: Callable[[Gardener], AnyStep] = self.draw(st.sampled_from(self.leaves))
        step = kind(self)
        return step >> self.echo() if self.draw(st.booleans()) else step

    def echo(self) -> AnyStep:
        """A command that lets be seen from outside when a step has ended."""
        return command(words.OUT)(words.Build("one", 0)).named(self.name("c"))

    def raw_command(self) -> AnyStep:
        topic = self.draw(st.sampled_from(PUBLISHED))
        return applied(words.Noted()) >> command(topic).named(self.name("c"))

    def command(self) -> AnyStep:
        topic = self.draw(st.sampled_from(PUBLISHED))
        good = st.sampled_from(["one", "two", "none", "envelope"])
        shape = self.draw(st.sampled_from(["keyless", "fragile"]) if self.draw(rarely) else good)
        return command(topic)(words.Build(shape, self.draw(salts))).named(self.name("c"))

    def raw_listener(self) -> AnyStep:
        return self.listening(None)

    def listener(self) -> AnyStep:
        folds = st.builds(words.Fold, salts, rarely) | st.builds(words.FoldNote, salts)
        return self.listening(self.draw(folds))

    def collector(self) -> AnyStep:
        fold = self.draw(st.builds(words.Collect, st.integers(2, 4), rarely))
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
        flaw = self.draw(st.sampled_from(["naive", "none"])) if self.draw(rarely) else ""
        return wait_until(words.At(self.draw(st.integers(0, 4)), flaw)).named(self.name("u"))

    def then(self) -> AnyStep:
        fine = st.sampled_from([words.Total(), words.Bagged()])
        return applied(self.draw(st.builds(words.Breaks, salts) if self.draw(rarely) else fine))

    def pure(self) -> AnyStep:
        fine = st.sampled_from([words.Total(), words.Bagged()])
        fn = self.draw(st.builds(words.Breaks, salts) if self.draw(rarely) else fine)
        step: AnyStep = pure(fn)
        return step.named(self.name("v"))

    def fail(self) -> AnyStep:
        return fail(words.Refuses()).named(self.name("x"))

    # What is made of others.

    def step(self, depth: int) -> AnyStep:
        if depth == 0:
            return self.leaf()
        kind: Callable[[Gardener, int], AnyStep] = self.draw(st.sampled_from(self.stems))
        return kind(self, depth - 1)

    def chain(self, depth: int) -> AnyStep:
        chain = self.step(depth)
        for _ in range(self.draw(st.integers(1, 3))):
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

    def patient(self, depth: int) -> AnyStep:
        """A bound of exactly one listener that waits again: what answers gets its latest value."""
        waits, after = self.listening(words.Count()), self.draw(seconds)
        if self.draw(st.booleans()):
            waits = process(self.name("p"), waits)
        answer = self.draw(st.sampled_from([words.Total(), self.echo()]))
        return applied(words.Total()) >> waits.timeout(after, otherwise=answer)

    def repeat(self, depth: int) -> AnyStep:
        """A loop over numbers; nothing in its body need ever wait."""
        body = self.step(depth)
        if not body.node.may_wait:
            body = body >> sleep(timedelta(0)).named(self.name("z"))
        most = self.draw(st.integers(1, 4))
        if self.draw(st.booleans()):
            until = self.draw(st.builds(words.Enough, salts, rarely))
            loop: AnyStep = repeat(body >> pure(words.Total()).named(self.name("v")), until=until, at_most=most)
        else:
            anew = self.draw(st.builds(words.Anew, salts))
            last = applied(anew) if self.draw(st.booleans()) else pure(anew).named(self.name("v"))
            loop = repeat(body >> last, at_most=most)
        return applied(words.Total()) >> (loop.named(self.name("r")) if self.draw(st.booleans()) else loop)

    def skippable(self, depth: int) -> AnyStep:
        """Steps over numbers that a message may skip."""
        kind = self.draw(st.integers(0, 3))
        to = (self.raw_listener, self.listener, self.plain_counter, self.signal)[kind]()
        body = self.step(depth) >> pure(words.Total()).named(self.name("v"))
        return applied(words.Total()) >> skippable(body, to=to)

    def plain_counter(self) -> AnyStep:
        return self.listening(words.Count())

    def retry(self, depth: int) -> AnyStep:
        return self.step(depth).retry(self.draw(retries))

    def recover(self, depth: int) -> AnyStep:
        on: Any = self.draw(st.sampled_from([(), (), words.Boom, (words.Dud, TimeoutError), BusinessError]))
        handler = self.draw(st.integers(0, 5))
        answer = self.fail() if handler == 0 else self.step(min(depth, 1))
        recovered: AnyStep = self.step(depth).recover(answer, on=on)
        return recovered

    def compensated(self, depth: int) -> AnyStep:
        step: Any = self.step(depth)
        attempted = self.aside(depth) if self.draw(st.booleans()) else None
        undone: AnyStep = step.compensate(self.aside(depth), attempted=attempted)
        return undone

    def hooked(self, depth: int) -> AnyStep:
        step: Any = self.step(depth)
        hooked: AnyStep = step.on_stop(self.aside(depth))
        return hooked

    def aside(self, depth: int) -> AnyStep:
        """What undoes, or is run where something is stopped; now and then it fails, or has undos of its own."""
        kind = self.draw(st.integers(0, 5))
        if kind < 4:
            return self.leaf()
        return self.leaf() >> self.fail() if kind == 4 else self.step(min(depth, 1))

    def kept(self, depth: int) -> AnyStep:
        return keep(self.step(depth))

    def named(self, depth: int) -> AnyStep:
        return self.group(depth).named(self.name("n"))

    def group(self, depth: int) -> AnyStep:
        branches: list[Any] = [self.step(depth) for _ in range(self.draw(st.integers(2, 3)))]
        if self.draw(rarely):
            branches.append(self.fail())
        kind = self.draw(st.sampled_from(["all", "any", "least", "race", "race", "collect"]))
        if kind == "least":
            return at_least(self.draw(st.integers(1, len(branches))), *branches)
        if kind == "race":
            raced: AnyStep = race(*branches)
            return raced
        if kind == "collect":
            return all_of(*branches, collect=True)
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
        step: AnyStep = chosen
        return step.named(self.name("w"))

    def match(self, depth: int) -> AnyStep:
        matched: AnyStep = (
            match().case(int, self.step(depth)).case(words.Note, self.step(depth)).case(words.Bag, self.step(depth))
        )
        chosen = matched.named(self.name("m")) if self.draw(st.booleans()) else matched
        return applied(words.Kinds(self.draw(salts))) >> chosen

    def for_each(self, depth: int) -> AnyStep:
        items = self.draw(st.builds(words.Items, st.integers(2, 5), rarely))
        limit = self.draw(st.none() | st.integers(1, 3))
        kind = self.draw(st.sampled_from(["all", "collect", "enough"]))
        enough = self.draw(st.integers(1, 3)) if kind == "enough" else None
        each: Any = for_each  # the overloads ask for a literal
        step: AnyStep = each(items, self.step(depth), limit=limit, collect=kind == "collect", enough=enough)
        return step.named(self.name("f"))


def applied(fn: Any) -> AnyStep:
    """A pure function as a step of its own."""
    return Step(nodes.Apply(fn=fn_of(fn, "then")))


retries = st.builds(
    Retry,
    attempts=st.integers(1, 3),
    first=st.integers(0, 2).map(lambda n: timedelta(seconds=n)),
    factor=st.sampled_from([1.0, 2.0]),
    longest=st.sampled_from([timedelta(seconds=2), timedelta(seconds=60)]),
    on=st.sampled_from([Exception, words.Boom, words.Dud, (words.Dud, TimeoutError), BusinessError]),
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
    Gardener.pure,
]
STEMS = [
    Gardener.chain,
    Gardener.chain,
    Gardener.chain,
    Gardener.process,
    Gardener.timeout,
    Gardener.patient,
    Gardener.repeat,
    Gardener.repeat,
    Gardener.skippable,
    Gardener.skippable,
    Gardener.retry,
    Gardener.recover,
    Gardener.compensated,
    Gardener.compensated,
    Gardener.hooked,
    Gardener.kept,
    Gardener.group,
    Gardener.group,
    Gardener.named,
    Gardener.switch,
    Gardener.match,
    Gardener.for_each,
]


@st.composite
def templates(draw: Draw, *, engine: bool = False) -> AnyTemplate:
    """A template of any shape."""
    step = Gardener(draw, engine=engine).chain(draw(st.integers(0, 2)))
    return template("Random", step, key=words.BusinessKey(), takes=int)


# Schedules.

some_keys = st.sampled_from([BUSINESS_KEY, BUSINESS_KEY, *KEYS])
numbers = st.integers(0, 5)
ids = st.sampled_from([None, None, "m1", "m2", "m3"])
outcomes = st.one_of(
    *[st.builds(Gives, st.integers(0, 3))] * 3,
    st.builds(Raises, st.integers(0, 2)),
    st.just(Misfits()),
)
pauses = st.sampled_from(
    [timedelta(seconds=n) for n in (0, 1, 2, 3, 10)] + [timedelta(days=7), timedelta(days=7, seconds=-1)]
)


@st.composite
def cases(draw: Draw, *, engine: bool = False, releases: bool = True) -> Case:
    """A template, an input, an id and a schedule; for an `engine`, whose clock is never late."""
    grown = draw(templates(engine=engine))
    computed = any(isinstance(node, nodes.Listen) and node.on for _, node in walk(grown.body))
    case = Case(
        template=grown,
        value=draw(st.integers(0, 9)),
        id=draw(st.sampled_from([BUSINESS_KEY, "an-id"])),
        early_limit=16 if computed else draw(st.sampled_from([16, 2, 1])),
    )
    return Fate(draw, case, engine=engine, releases=releases).drawn()


class Fate:
    """Draws what happens to an instance while the reference goes along, so that most of it means something."""

    def __init__(self, draw: Draw, case: Case, *, engine: bool, releases: bool) -> None:
        self.draw = draw
        self.case = case
        self.engine = engine
        self.may_release = releases
        self.actions: list[Action] = []
        self.reference = Reference(case.template, case.id, case.early_limit)
        self.nodes = [node for _, node in walk(case.template.body)]

    def drawn(self) -> Case:
        early = self.deliveries()
        for _ in range(self.draw(st.sampled_from([0, 0, 1, 2, 4])) if early else 0):
            self.happen(self.draw(st.one_of(*early, *early, st.builds(Advance, pauses))))
        self.happen(Start())
        for _ in range(self.draw(st.sampled_from([3, 8, 20]))):
            if not self.reference.status.is_end or self.draw(st.integers(0, 3)) == 0:
                self.happen(self.draw(st.one_of(self.aimed() or self.anything())))
        return replace(self.case, actions=tuple(self.actions))

    def happen(self, action: Action) -> None:
        self.actions.append(action)
        refer(self.reference, self.case, action)

    def aimed(self) -> list[Happening]:
        """What the instance waits for; now and then nothing of it."""
        if self.draw(rarely):
            return []
        if self.reference.away and self.draw(st.booleans()):
            return [st.just(Release("it"))]
        if self.may_release and self.draw(rarely):
            return [self.releases()]
        found: list[Happening] = [self.awaited(piece) for piece in self.reference.waiting]
        tasks = len(self.reference.task_keys)
        if tasks:
            found.append(st.builds(Finish, st.integers(0, tasks - 1), outcomes))
        if self.reference.timers:
            left = min(timer.due for timer in self.reference.timers) - self.reference.now
            found.append(st.just(Advance(max(left, timedelta(0)))))
        return found

    def awaited(self, piece: WaitPiece) -> Happening:
        """What a waiting step waits for."""
        assert piece.address is not None
        if isinstance(piece.node, nodes.Await):
            return st.builds(Signal, st.just(piece.node.signal), st.integers(0, 3))
        key = st.just(piece.address[1])
        by_other = piece.node.by is not None
        notes = st.builds(Note, some_keys if by_other else key, numbers, key if by_other else some_keys)
        return st.builds(Deliver, st.just(piece.node.topic), notes, ids)

    def anything(self) -> list[Happening]:
        """What may happen at any time."""
        signals = sorted({node.signal for node in self.nodes if isinstance(node, nodes.Await)})
        found: list[Happening] = [*self.deliveries(), st.builds(Advance, pauses)]
        found += [st.builds(Signal, st.just(name), st.integers(0, 3)) for name in signals]
        found += [st.just(Start()), st.just(Stop())] if self.draw(st.integers(0, 4)) == 0 else []
        found += [self.releases()] if self.may_release else []
        return found if self.engine else [*found, st.builds(Lag, seconds)]

    def releases(self) -> Happening:
        """Workers of another release come. What has not begun yet begins only where its template is as it was."""
        begun = self.reference.status is not Status.NOT_STARTED
        return st.builds(
            Release, st.sampled_from(["it", "nothing", *(["another shape", "the next version"] if begun else [])])
        )

    def deliveries(self) -> list[Happening]:
        """Messages of the topics that the template listens to."""
        heard = {node.topic.name for node in self.nodes if isinstance(node, nodes.Listen)}
        notes = st.builds(Note, some_keys, numbers, st.sampled_from(KEYS))
        return [st.builds(Deliver, st.just(topic), notes, ids) for topic in LISTENED if topic.name in heard]
