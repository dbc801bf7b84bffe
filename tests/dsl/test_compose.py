"""Invalid workflows are refused where they are composed: what is wrong, where, and what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Literal

import pytest

from dagger import (
    Again,
    Retry,
    Step,
    TemplateError,
    Topic,
    UnsupportedType,
    all_of,
    any_of,
    at_least,
    command,
    for_each,
    listener,
    msgpack,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str
    skus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paid:
    id: str


class Size(Enum):
    SMALL = "s"
    MEDIUM = "m"
    LARGE = "l"


orders = Topic("ORDERS", Order, key=lambda m: m.id)
payments = Topic("PAYMENTS", Paid, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@task
async def pack(order: Order) -> Order:
    return order


@task
async def post(order: Order) -> str:
    return order.id


def size(order: Order) -> Size:
    return Size.SMALL


def how(order: Order) -> Literal["card", "cash"] | None:
    return None


def is_large(order: Order) -> bool:
    return False


def country(order: Order) -> str:
    return order.id


def skus(order: Order) -> list[str]:
    return list(order.skus)


def refused(text: str, kind: type[TemplateError] = TemplateError) -> Any:
    """Expects an error of exactly this text."""
    return pytest.raises(kind, match=f"^{re.escape(text)}$")


def composed(step: Any, **more: Any) -> Any:
    return template("W", step, **{"key": by_id, **more})


# Names.


def test_a_name_twice_in_a_template_is_refused_with_the_remedy() -> None:
    with refused("template 'W': two steps are named 'pack'; give one of them another name with .named('...')"):
        composed(pack >> pack)


def test_a_name_twice_in_a_process_is_refused_where_the_process_is_composed() -> None:
    with refused("process 'P': two steps are named 'P/pack'; give one of them another name with .named('...')"):
        process("P", pack >> sleep(HOUR) >> pack)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (sleep(HOUR) >> sleep(HOUR), "sleep-1h"),
        (listener(payments) >> listener(payments), "PAYMENTS"),
        (command(orders) >> listener(orders), "ORDERS"),
        (signal("go", int) >> signal("go", int), "go"),
        (pack & pack, "pack"),
        (pack | pack.retry(Retry()), "pack"),
        (pack.recover(task(lambda failure: failure).named("pack")), "pack"),
        (process("P", pack) >> process("P", post), "P"),
        (process("pack", post) & pack, "pack"),
        ((pack & post).named("G") >> sleep(HOUR).named("G"), "G"),
    ],
    ids=["sleeps", "listeners", "command-listener", "signals", "and", "or", "recover", "processes", "mixed", "groups"],
)
def test_a_name_twice_is_refused_whatever_has_it(step: Any, name: str) -> None:
    with pytest.raises(TemplateError, match=f"two steps are named '{name}'; give one of them another name with"):
        composed(step)


def test_a_name_that_is_given_tells_two_steps_apart() -> None:
    composed(pack >> pack.named("pack again") >> process("P", pack))


def test_a_case_tells_two_steps_apart() -> None:
    composed(switch(is_large).case(True, pack).case(False, pack))


@pytest.mark.parametrize("name", ["a/b", "a\nb", "\x00", "\x7f"])
def test_a_name_that_cannot_stand_in_a_path_is_refused(name: str) -> None:
    text = f"the name {name!r} holds a '/' or a control character; use another"
    with refused(f"process: {text}"):
        process(name, pack)
    with refused(f"<step pack>.named: {text}"):
        pack.named(name)
    with refused(f"template: {text}"):
        template(name, pack, key=by_id)
    with refused(f"signal: {text}"):
        signal(name, int)


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    text = f"a name is text that is not empty, got {name!r}"
    with refused(f"process: {text}"):
        process(name, pack)
    with refused(f"<step pack>.named: {text}"):
        pack.named(name)
    with refused(f"template: {text}"):
        template(name, pack, key=by_id)
    with refused(f"topic: its name is {name!r}; give it the broker's name of the topic"):
        Topic(name, Order, key=by_id)


def test_a_case_that_cannot_stand_in_a_path_is_refused() -> None:
    with refused("switch 'country' case 'a/b': the name 'a/b' holds a '/' or a control character; use another"):
        switch(country).case("a/b", pack)


def test_two_cases_that_read_alike_are_refused() -> None:
    def odd(order: Order) -> int | str:
        return 1

    with refused("switch 'odd' case '1': '1' stands in the paths for another branch; use a value that does not"):
        switch(odd).case(1, pack).case("1", pack)


def test_a_template_keeps_its_name() -> None:
    with refused("template 'W': its name is fixed; give template() another one ('V')"):
        composed(pack).named("V")


# What is no step.


def test_an_empty_process_is_refused() -> None:
    empty: Any = process
    with refused("process 'P': is empty; give it a step as its body"):
        empty("P")


def undecorated(order: Order) -> Order:
    return order


def test_a_function_that_is_not_decorated_is_refused_with_the_remedy() -> None:
    fn: Any = undecorated
    text = "'undecorated' is a function, not a step; decorate it with @task, or use .then"
    with refused(f">>: {text}"):
        _ = pack >> fn
    with refused(f"&: {text}"):
        _ = pack & fn
    with refused(f"|: {text}"):
        _ = pack | fn
    with refused(f"all_of: {text}"):
        all_of(pack, fn)
    with refused(f"process 'P': {text}"):
        process("P", fn)
    with refused(f"template 'W': {text}"):
        composed(fn)
    with refused(f"for_each 'skus': {text}"):
        for_each(skus, fn)
    with refused(f"switch 'size' case <Size.SMALL: 's'>: {text}"):
        switch(size).case(Size.SMALL, fn)
    with refused(f"switch 'size' otherwise: {text}"):
        switch(size).otherwise(fn)


def test_a_function_at_the_head_of_a_chain_is_refused_with_the_remedy() -> None:
    fn: Any = undecorated
    with refused(">>: 'undecorated' is a function, not a step; decorate it with @task, or use .then"):
        _ = fn >> pack


@pytest.mark.parametrize("wrong", [None, 7, "pack", [pack], orders])
def test_what_is_neither_step_nor_function_is_refused(wrong: Any) -> None:
    with refused(f">>: expects a step, got {wrong!r}"):
        _ = pack >> wrong
    with refused(f"template 'W': expects a step, got {wrong!r}"):
        composed(wrong)


def test_a_topic_is_wanted_where_a_topic_stands() -> None:
    wrong: Any = Order
    with refused(f"command: expects a Topic(name, type, key=...), got {Order!r}"):
        command(wrong)
    wrong = "PAYMENTS"
    with refused("listener: expects a Topic(name, type, key=...), got 'PAYMENTS'"):
        listener(wrong)


@pytest.mark.parametrize("wrong", [7, "fn", orders])
def test_a_function_is_wanted_where_a_function_stands(wrong: Any) -> None:
    with refused(f"task: expects a function, got {wrong!r}"):
        task(wrong)
    with refused(f"command: expects a function, got {wrong!r}"):
        command(orders)(wrong)
    with refused(f"listener: expects a function, got {wrong!r}"):
        listener(orders)(wrong)
    with refused(f"switch: expects a function, got {wrong!r}"):
        switch(wrong)
    with refused(f"wait_until: expects a function, got {wrong!r}"):
        wait_until(wrong)
    with refused(f"then: expects a function, got {wrong!r}"):
        pack.then(wrong)
    with refused(f"for_each: expects a function, got {wrong!r}"):
        for_each(wrong, pack)
    with refused(f"key of template 'W': expects a function, got {wrong!r}"):
        composed(pack, key=wrong)
    with refused(f"key of topic 'T': expects a function, got {wrong!r}"):
        Topic("T", Order, key=wrong)


def test_a_decorator_that_is_called_twice_is_refused() -> None:
    twice: Any = pack
    with refused("task: expects a function, got <step pack>"):
        task(twice)


# Durations, numbers.


@pytest.mark.parametrize("wrong", [60, "1h", None, 1.5])
def test_a_duration_that_is_none_is_refused_with_the_remedy(wrong: Any) -> None:
    text = f"expects a timedelta, got {wrong!r}; write timedelta(seconds=...)"
    with refused(f"sleep: {text}"):
        sleep(wrong)
    with refused(f"<step pack>.timeout: {text}"):
        pack.timeout(wrong)
    if wrong is not None:
        with refused(f"process 'P': {text}"):
            process("P", pack, timeout=wrong)
        with refused(f"task timeout: {text}"):
            task(timeout=wrong)


def test_a_negative_duration_is_refused() -> None:
    text = "-1 day, 23:59:59 is negative; give zero or more"
    second = timedelta(seconds=-1)
    with refused(f"sleep: {text}"):
        sleep(second)
    with refused(f"process 'P': {text}"):
        process("P", pack, timeout=second)
    with refused(f"task timeout: {text}"):
        task(timeout=second)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"attempts": 0}, "attempts is 0; give 1 or more (1 tries once)"),
        ({"first": -HOUR}, "first is -1 day, 23:00:00; give a pause of zero or more"),
        ({"longest": -HOUR}, "longest is -1 day, 23:00:00; give a pause of zero or more"),
        ({"factor": 0.5}, "factor is 0.5; give 1 (constant pauses) or more"),
        ({"jitter": 1.5}, "jitter is 1.5; give a share between 0 and 1"),
        ({"jitter": -0.5}, "jitter is -0.5; give a share between 0 and 1"),
        ({"jitter": float("nan")}, "jitter is nan; give a share between 0 and 1"),
        ({"on": ()}, "on is (); give an exception class, or several"),
        ({"on": "error"}, "on is ('e', 'r', 'r', 'o', 'r'); give an exception class, or several"),
        ({"on": int}, "on is <class 'int'>; give an exception class, or several"),
    ],
    ids=str,
)
def test_a_retry_that_cannot_be_meant_is_refused(wrong: dict[str, Any], text: str) -> None:
    with refused(f"Retry: {text}"):
        Retry(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": "3"},
        {"attempts": 1.5},
        {"attempts": True},
        {"first": 1},
        {"longest": None},
        {"factor": float("nan")},
        {"factor": float("inf")},
        {"factor": "2"},
        {"on": None},
    ],
    ids=str,
)
def test_a_retry_of_wrong_types_is_refused_and_names_the_part(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(TemplateError, match=f"^Retry: {name} is "):
        Retry(**wrong)


def test_a_policy_that_is_no_retry_is_refused() -> None:
    number: Any = 3
    with refused("<step pack>.retry: expects a Retry(...), got 3"):
        pack.retry(number)
    with refused("task: retry expects a Retry(...), got 3"):
        task(retry=number)


@pytest.mark.parametrize("k", [0, 3, -1, "2", 1.5, None, True])
def test_at_least_so_many_of_fewer_is_refused(k: Any) -> None:
    with refused(f"at_least: {k!r} of 2 steps; give a number from 1 to 2"):
        at_least(k, pack, post)


def test_a_group_of_one_is_refused() -> None:
    for group in (all_of, any_of):
        alone: Any = group
        with refused(f"{group.__name__}: expects two steps or more, got 1; one alone needs no group"):
            alone(pack)
    some: Any = at_least
    with refused("at_least: expects two steps or more, got 0; one alone needs no group"):
        some(1)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_none_at_a_time_is_refused(limit: int) -> None:
    with refused(f"for_each 'skus': limit is {limit}; give 1 or more, or None for all at once"):
        for_each(skus, post_sku, limit=limit)


@task
async def post_sku(sku: str) -> str:
    return sku


@pytest.mark.parametrize("limit", ["2", 1.5, True])
def test_a_limit_that_is_no_number_is_refused(limit: Any) -> None:
    with pytest.raises(TemplateError, match=r"^for_each 'skus': limit is "):
        for_each(skus, post_sku, limit=limit)


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, None])
def test_a_version_that_is_no_whole_number_from_one_is_refused(version: Any) -> None:
    with refused(f"template 'W': version is {version!r}; give a whole number from 1"):
        composed(pack, version=version)


def test_otherwise_without_a_timeout_is_refused() -> None:
    loose: Any = process
    with refused("process 'P': otherwise= answers a timeout; give timeout= too"):
        loose("P", pack, otherwise=by_id)


# Switches.


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (switch(size).case(Size.SMALL, pack), "size: no case for MEDIUM, LARGE, which 'size' may return; "),
        (switch(how).case("card", pack), "how: no case for cash, none, which 'how' may return; "),
        (switch(is_large).case(True, pack), "is_large: no case for false, which 'is_large' may return; "),
        (switch(size), "size: the switch has no case; add .case(value, step)"),
        (switch(country), "country: the switch has no case; add .case(value, step)"),
    ],
    ids=["enum", "literal", "bool", "no case", "no case, open"],
)
def test_a_case_that_is_missing_is_refused(step: Any, text: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(text)):
        composed(step)


def test_a_case_that_is_missing_in_a_process_is_refused_with_the_remedy() -> None:
    with refused(
        "P/is_large: no case for false, which 'is_large' may return; add .case(...) for each, or .otherwise(step)"
    ):
        process("P", switch(is_large).case(True, pack))


def test_a_case_that_cannot_come_is_refused() -> None:
    wrong: Any = "s"
    with refused(
        "switch 'size' case 's': 'size' never returns it; it returns "
        "<Size.SMALL: 's'>, <Size.MEDIUM: 'm'>, <Size.LARGE: 'l'>"
    ):
        switch(size).case(wrong, pack)


def test_one_is_no_case_of_a_bool() -> None:
    number: Any = 1
    with refused("switch 'is_large' case 1: 'is_large' never returns it; it returns True, False"):
        switch(is_large).case(number, pack)


def test_a_case_twice_is_refused() -> None:
    with refused("switch 'country' case 'NO': is there already; a value has one branch"):
        switch(country).case("NO", pack).case("NO", post)
    once: Any = switch(country).case("NO", pack).otherwise(post)
    with pytest.raises((TemplateError, AttributeError)):
        once.otherwise(pack)


@pytest.mark.parametrize("value", [["a"], {"a": 1}, {1}])
def test_a_case_that_is_unhashable_is_refused(value: Any) -> None:
    with refused(f"switch 'country' case {value!r}: is unhashable; give a value that cannot change"):
        switch(country).case(value, pack)


# Types.


def test_for_each_over_a_text_is_refused() -> None:
    def name(order: Order) -> str:
        return order.id

    def payload(order: Order) -> bytes:
        return b""

    text = "one character at a time; return a list (of one, if that is meant)"
    with refused(f"for_each 'name': goes over a str, {text}"):
        for_each(name, post_sku)
    wrong: Any = payload
    with refused(f"for_each 'payload': goes over a bytes, {text}"):
        for_each(wrong, post_sku)


def test_for_each_over_what_declares_no_items_is_refused() -> None:
    def bare(order: Order) -> list:  # type: ignore[type-arg]  # that is what is refused
        return []

    with refused("bare: 'bare' does not declare its items, which must be stored; annotate it: -> list[TheItem]"):
        composed(for_each(bare, post_sku))


def test_a_topic_with_two_types_is_refused() -> None:
    other = Topic("ORDERS", Paid, key=lambda m: m.id)
    with refused(
        "template 'W': topic 'ORDERS' carries Order (json) at 'ORDERS' and Paid (json) at 'P/ORDERS'; "
        "a topic has one type: use one Topic value for both"
    ):
        composed(command(orders) >> process("P", listener(other)))


def test_a_topic_with_two_codecs_is_refused() -> None:
    other = Topic("ORDERS", Order, key=lambda m: m.id, codec=msgpack)
    with pytest.raises(TemplateError, match=r"carries Order \(json\) at 'ORDERS' and Order \(msgpack\) at 'other'"):
        composed(command(orders) >> command(other).named("other"))


def test_a_topic_with_two_key_functions_is_refused() -> None:
    other = Topic("ORDERS", Order, key=lambda m: m.id.upper())
    with refused(
        "template 'W': topic 'ORDERS' has one key function at 'ORDERS' and another at 'other'; "
        "messages are matched by one: use one Topic value for both, or by= on the listener"
    ):
        composed(command(orders) >> listener(other).named("other"))


def test_a_topic_of_a_factory_is_the_same_each_time() -> None:
    def made() -> Topic[Order]:
        return Topic("MADE", Order, key=lambda m: m.id)

    composed(command(made()) >> command(made()).named("again"))


def test_a_signal_with_two_types_is_refused() -> None:
    with refused(
        "template 'W': signal 'go' carries int at 'first' and str at 'second'; "
        "a signal has one type: give one of them another name"
    ):
        composed(signal("go", int).named("first") >> signal("go", str).named("second"))


class Opaque:
    def __init__(self, secret: str) -> None:
        self.secret = secret


REMEDY = "make it a dataclass, a msgspec.Struct, a NamedTuple or a TypedDict"


def test_a_topic_of_a_type_without_codec_is_refused() -> None:
    with pytest.raises(UnsupportedType, match=rf"^topic 'T': Opaque .*; {REMEDY}"):
        Topic("T", Opaque, key=lambda m: m.secret)
    with pytest.raises(UnsupportedType, match=r"^topic 'T': list .*; declare what it holds, as in list\[int\]"):
        Topic("T", list, key=lambda m: "k")


def test_a_signal_of_a_type_without_codec_is_refused() -> None:
    with pytest.raises(UnsupportedType, match=r"^signal 'go': object is not a static type; declare a"):
        signal("go", object)


def test_a_result_without_codec_is_refused() -> None:
    @task
    async def hide(order: Order) -> Opaque:
        return Opaque(order.id)

    with pytest.raises(UnsupportedType, match=rf"^P/hide: the result of 'hide': Opaque .*; {REMEDY}"):
        composed(process("P", hide))


def test_a_folded_value_without_codec_is_refused() -> None:
    @listener(orders)
    def hide(order: Order, message: Order) -> Opaque:
        return Opaque(order.id)

    with pytest.raises(UnsupportedType, match=rf"^hide: the result of 'hide': Opaque .*; {REMEDY}"):
        composed(hide)


def test_an_input_without_codec_is_refused() -> None:
    @task
    async def show(secret: Opaque) -> str:
        return secret.secret

    with pytest.raises(UnsupportedType, match=rf"^template 'W': its input: Opaque .*; {REMEDY}"):
        composed(show, key=lambda o: o.secret)


def test_items_without_codec_are_refused() -> None:
    def secrets(order: Order) -> list[Opaque]:
        return []

    @task
    async def show(secret: Opaque) -> str:
        return secret.secret

    with pytest.raises(UnsupportedType, match=rf"^secrets: the items of 'secrets': Opaque .*; {REMEDY}"):
        composed(for_each(secrets, show))


def test_a_task_without_annotation_is_refused_with_the_remedy() -> None:
    def bare(order):  # type: ignore[no-untyped-def]  # that is what is refused
        return order

    with refused(
        "P/bare: task 'bare' does not declare what it returns, and the result must be stored; "
        "annotate it: -> TheType (a lambda cannot be annotated: use a def)"
    ):
        composed(process("P", task(bare)))


def test_a_lambda_as_a_task_is_refused_with_the_remedy() -> None:
    with pytest.raises(TemplateError, match=r"^<lambda>: task '<lambda>' does not declare .* \(a lambda cannot be"):
        composed(task(lambda order: order))


def test_a_fold_without_annotation_is_refused_with_the_remedy() -> None:
    with pytest.raises(TemplateError, match=r"^<lambda>: listener '<lambda>' does not declare what it returns"):
        composed(listener(orders)(lambda order, message: order))


def test_a_fold_that_answers_only_again_is_refused() -> None:
    @listener(orders)
    def forever(order: Order, message: Order) -> Again[Order]:
        return Again(order)

    with pytest.raises(TemplateError, match=r"^forever: listener 'forever' does not declare what it returns"):
        composed(forever)


def test_again_of_what_declares_no_input_is_refused_with_the_remedy() -> None:
    def counts(order, message: Order) -> Order | Again[Order]:  # type: ignore[no-untyped-def]  # refused for it
        return order  # type: ignore[no-any-return]  # as above

    with refused("counts: 'counts' may answer Again: annotate its first parameter"):
        composed(listener(orders)(counts), takes=Order)


def test_an_input_that_nothing_declares_is_refused_with_the_remedy() -> None:
    with refused(
        "template 'W': nothing declares the type of its input; annotate the parameter of the first function "
        "or of the key function, or give takes=TheType"
    ):
        template("W", sleep(HOUR), key=lambda order: "k")
    template("W", sleep(HOUR), key=lambda order: "k", takes=Order)
    template("W", sleep(HOUR), key=by_id)


def test_an_annotation_that_names_nothing_is_refused_with_the_remedy() -> None:
    @task
    async def later(order: "Missing") -> str:  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821  # refused for it
        return ""

    with refused(
        "task 'later': its annotation names 'Missing', which is not defined there; "
        "define the class at the top of the module, or above the function"
    ):
        composed(later)


async def later_fn(order: Order) -> Any:
    return order


async def later_fold(order: Order, message: Order) -> Order:
    return order


later: Any = later_fn
fold: Any = later_fold


@pytest.mark.parametrize(
    "compose",
    [
        lambda: command(orders)(later),
        lambda: listener(orders)(fold),
        lambda: listener(orders, on=later),
        lambda: listener(orders, by=later),
        lambda: signal("go", Order)(fold),
        lambda: switch(later),
        lambda: wait_until(later),
        lambda: pack.then(later),
        lambda: pack.timeout(HOUR, otherwise=later),
        lambda: process("P", pack, timeout=HOUR, otherwise=later),
        lambda: for_each(later, post),
        lambda: composed(pack, key=later),
        lambda: Topic("T", Order, key=later),
    ],
    ids=[
        *("command", "listener", "on", "by", "signal", "switch", "wait_until", "then", "timeout", "process"),
        *("for_each", "key", "topic"),
    ],
)
def test_a_function_that_must_be_pure_cannot_be_async(compose: Callable[[], object]) -> None:
    with pytest.raises(
        TemplateError, match=r"'later_(fn|fold)' is async; what must be pure cannot await: do that in a @task$"
    ):
        compose()


@pytest.mark.parametrize("count", [0, 2])
def test_a_function_that_wants_other_arguments_is_refused(count: int) -> None:
    def none() -> str:
        return ""

    def two(order: Order, more: int) -> str:
        return ""

    wrong: Any = two if count else none
    one: Any = by_id
    with pytest.raises(TemplateError, match=f"^task: '{wrong.__name__}' is called with 1 argument: "):
        task(wrong)
    with pytest.raises(TemplateError, match=r"^listener: 'by_id' is called with 2 arguments: "):
        listener(orders)(one)


# Depth.


def nested(depth: int) -> Step[Order, Order]:
    step: Step[Order, Order] = pack
    for number in range(depth):
        step = process(f"P{number}", step)
    return step


def test_what_is_nested_too_deep_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        TemplateError,
        match=r"is nested more than 64 deep; write the steps one after the other with >>, or make a part of it",
    ):
        composed(nested(70))


def test_what_is_nested_deep_is_composed() -> None:
    assert composed(nested(60)).name == "W"


def test_a_long_chain_is_composed() -> None:
    step: Step[Order, Order] = pack
    for number in range(10_000):
        step = step >> pack.named(f"pack-{number}")
    workflow = composed(step)
    assert len(str(workflow).splitlines()) == 10_002
    assert hash(workflow) == hash(composed(step))
    assert workflow == composed(step)


# Values.


def test_steps_are_values() -> None:
    assert pack >> post == pack >> post
    assert hash(pack >> post) == hash(pack >> post)
    assert pack >> post != pack >> post.named("post again")
    with pytest.raises(AttributeError, match="<step pack> is a value and cannot be changed; compose another step"):
        pack.node = post.node
    with pytest.raises(AttributeError, match="topic 'ORDERS' is a value and cannot be changed; make another"):
        orders.name = "OTHER"
    with pytest.raises(AttributeError, match="topic 'ORDERS' is a value and cannot be changed; make another"):
        del orders.name


def test_good_things_are_composed_without_a_word() -> None:
    @listener(payments, on=by_id, by=lambda message: [message.id])
    def paid(order: Order, message: Paid) -> Order | Again[Order]:
        return order

    @task(retry=Retry(attempts=5, on=[OSError, ValueError]), timeout=HOUR)
    def ship(order: Order) -> str:
        return order.id

    @wait_until
    def noon(order: Order) -> Any: ...

    body = (
        command(orders)
        >> process("PAY", paid, timeout=HOUR, otherwise=lambda order: order)
        >> noon
        >> switch(size).case(Size.SMALL, pack).otherwise(pack.timeout(HOUR, otherwise=pack.named("p")))
        >> (ship & for_each(skus, post_sku, limit=2) & (pack | post)).named("ALL")
    )
    assert composed(body.recover(task_of_anything)).version == 1


@task
async def task_of_anything(failure: object) -> str:
    return str(failure)
