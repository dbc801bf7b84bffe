"""From the constructs of the language to its kernel: what each of them is short for.

`EXPANSIONS` has one function for each construct. It gets the construct and the prefix of the paths inside of it, and
gives a tree of the kernel, with the paths that users see. Whatever the machine can do with a construct is decided
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Never, TypeAlias

from dagger import codecs
from dagger.codecs import TypeCodec, codec_of
from dagger.dsl import nodes
from dagger.dsl.check import folded_type, item_type, may_wait_again, stored_type
from dagger.dsl.functions import MISSING, Fn
from dagger.dsl.paths import branches_of_match, branches_of_switch, inside, joined, place_of
from dagger.errors import BusinessError, TemplateError, UnsupportedType, shown
from dagger.plan import ops
from dagger.plan.kernel import Ahead, Chain, Choose, Each, Fork, Kernel, Leaf, Named, Scope, Trigger
from dagger.plan.names import listener_channel, signal_channel, topic_channel
from dagger.plan.plan import Channel, Plan
from dagger.plan.policies import MICROSECOND, qualified, retry_rule
from dagger.plan.shapes import FailureShape, Mapped, Shape, Typed


class Expander:
    """Expands the constructs of one template, and collects what they listen to."""

    def __init__(self, template: str, version: int, compile_child: Callable[[nodes.Workflow], Plan]) -> None:
        self.template = template
        self.version = version
        self.compile_child = compile_child
        """Compiles a template that is a step of this one."""
        self.channels: dict[str, Channel] = {}
        self.signals: dict[str, TypeCodec[Any]] = {}

    def expand(self, node: nodes.Node, prefix: str) -> Kernel:
        """What a construct is short for."""
        return EXPANSIONS[type(node)](self, node, prefix)


def _chain(x: Expander, node: nodes.Chain, prefix: str) -> Kernel:
    return Chain(tuple(x.expand(step, prefix) for step in node.steps))


def _command(x: Expander, node: nodes.Command, prefix: str) -> Kernel:
    is_list = getattr(node.topic.type, "__origin__", node.topic.type) in (list, tuple)
    return Leaf(ops.Publish, joined(prefix, node.label), "command", {
        "topic": node.topic,
        "encode": node.topic.wire.encode,
        "key": (node.topic.partition_key or node.topic.key).call,
        "build": _call(node.build),
        "many": not is_list,
    })  # fmt: skip


def _listener(x: Expander, node: nodes.Listen, prefix: str) -> Kernel:
    path, topic = joined(prefix, node.label), node.topic
    if node.by is None:
        channel = topic_channel(topic.name)
    else:
        channel = listener_channel(topic.name, x.template, x.version, path)
    x.channels[channel] = Channel(channel, topic, _call(node.by))
    return _wait(node.fold, topic.type, path, "listener", {
        "channel": channel,
        "on": _call(node.on),
        "decode": topic.wire.decode,
        "encode_key": topic.encode_key,
        "is_signal": False,
    })  # fmt: skip


def _signal(x: Expander, node: nodes.Await, prefix: str) -> Kernel:
    path, codec = joined(prefix, node.label), codec_of(node.type)
    if x.signals.setdefault(node.signal, codec) is not codec:
        raise TemplateError(f"{path}: signal '{node.signal}' carries two types in one template; it has one")
    return _wait(node.fold, node.type, path, "signal", {
        "channel": signal_channel(node.signal),
        "on": None,
        "decode": codec.decode,
        "encode_key": None,
        "is_signal": True,
    })  # fmt: skip


def _wait(fold: Fn | None, message: Any, path: str, kind: str, fields: dict[str, Any]) -> Kernel:
    out = codec_of(message if fold is None else folded_type(fold, path))
    again = Typed(codec_of(fold.takes())) if fold is not None and may_wait_again(fold) else None
    return Leaf(ops.Listen, path, kind, {"fold": _call(fold), "out": out, "again": again, **fields}, _typed(out))


def _task(x: Expander, node: nodes.Task, prefix: str) -> Kernel:
    """`retry=` is a scope around the task, of its path; `timeout=` is kept to by the worker that calls it."""
    path = joined(prefix, node.label)
    if node.retry is not None:
        return _retry_of(path, x.expand(replace(node, retry=None), prefix), node.retry)
    out = codec_of(stored_type(node.fn, path))
    after = -1 if node.timeout is None else node.timeout // MICROSECOND
    fields = {"fn": node.fn.call, "is_async": node.fn.is_async, "out": out, "after": after, "limit": node.limit}
    return Leaf(ops.Task, path, "task", fields, _typed(out))


def _pure(x: Expander, node: nodes.Pure, prefix: str) -> Kernel:
    path, fn = joined(prefix, node.label), node.fn
    if node.fails:
        fields = {"fn": Failing(fn.call), "frozen": True}
        leaf = Leaf(ops.Apply, path, "", fields, lambda shape: Mapped(shape, fn.call, "Never", frozen=True))
        return Named(path, "fail", leaf)
    codec = codec_of(stored_type(fn, path))
    fields = {"fn": fn.call, "frozen": True}  # nothing sees the result before it is stored
    apply = Leaf(ops.Apply, path, "", fields, lambda shape: Mapped(shape, fn.call, codec.name, codec.frozen))
    return Named(path, "pure", Chain((apply, Leaf(ops.Retype, path, "", {"out": codec}, _typed(codec)))))


@dataclass(frozen=True)
class Failing:
    """The function of a step that fails: it raises what another function returns."""

    text: ops.Pure

    def __call__(self, value: Any) -> Never:
        text = self.text(value)
        if not isinstance(text, str):
            raise TypeError(f"returns {shown(text)}; the text of a failure is a str")
        raise BusinessError(text)


def _sleep(x: Expander, node: nodes.Sleep, prefix: str) -> Kernel:
    return Leaf(ops.Pause, joined(prefix, node.label), "sleep", {"delay": node.pause // MICROSECOND, "at": None})


def _wait_until(x: Expander, node: nodes.Until, prefix: str) -> Kernel:
    return Leaf(ops.Pause, joined(prefix, node.label), "wait_until", {"delay": -1, "at": node.at.call})


def _then(x: Expander, node: nodes.Apply, prefix: str) -> Kernel:
    fn = node.fn
    name = "?" if fn.gives is MISSING else codecs.type_name(fn.gives)
    frozen = _is_frozen(fn.gives)
    path = joined(prefix, fn.name)
    return Leaf(
        ops.Apply, path, "", {"fn": fn.call, "frozen": frozen}, lambda shape: Mapped(shape, fn.call, name, frozen)
    )


def _process(x: Expander, node: nodes.Process, prefix: str) -> Kernel:
    path = joined(prefix, node.label or "")
    body = x.expand(node.body, path)
    if node.timeout is not None:
        body = _bound(x, path, body, node.timeout, node, path)
    return Named(path, "process", body)


def _timeout(x: Expander, node: nodes.Bounded, prefix: str) -> Kernel:
    body = x.expand(node.body, prefix)
    return _bound(x, place_of(node, prefix), body, node.after, node, prefix)


def _bound(
    x: Expander, path: str, body: Kernel, after: timedelta, node: nodes.Process | nodes.Bounded, prefix: str
) -> Kernel:
    """Steps with a longest duration. What answers gets the latest value of a step that waits again, if that is all."""
    if node.otherwise is None:
        return Scope(path, body, (Trigger(ops.After(after // MICROSECOND), ops.INTERRUPT),))
    trigger = Trigger(ops.After(after // MICROSECOND), ops.INTERRUPT, x.expand(node.otherwise, prefix))
    return Scope(path, body, (trigger,), latest=_again_of(node.body))


def _again_of(node: nodes.Node) -> TypeCodec[Any] | None:
    """The type of what is exactly one step answers as `Again`; None if it never does, or there are more steps."""
    while isinstance(node, nodes.Compensated | nodes.Hooked | nodes.Process):
        if isinstance(node, nodes.Process) and node.otherwise is not None:
            return None
        node = node.body
    if isinstance(node, nodes.Listen | nodes.Await) and node.fold is not None and may_wait_again(node.fold):
        return codec_of(node.fold.takes())
    return None


def _retry(x: Expander, node: nodes.Retried, prefix: str) -> Kernel:
    return _retry_of(place_of(node, prefix), x.expand(node.body, prefix), node.policy)


def _retry_of(path: str, body: Kernel, policy: Any) -> Kernel:
    rule = retry_rule(policy)
    return Scope(path, body, (Trigger(ops.InnerFailure(rule.on), ops.AGAIN, tries=rule),))


def _repeat(x: Expander, node: nodes.Repeat, prefix: str) -> Kernel:
    path = place_of(node, prefix)
    head = None if node.head_type is MISSING else codec_of(node.head_type)
    if node.until is not None:
        when: ops.When = ops.Ended(node.until.call)
    else:
        assert head is not None
        when = ops.SaysAgain(head)
    trigger = Trigger(when, ops.AGAIN, at_most=node.at_most)
    body = x.expand(node.body, inside(node, prefix))
    loop = Scope(path, body, (trigger,), head=head, is_counted=node.name is not None)
    return loop if node.name is None else Named(path, "repeat", loop)


def _skippable(x: Expander, node: nodes.Skippable, prefix: str) -> Kernel:
    body, to = x.expand(node.body, prefix), x.expand(node.to, prefix)
    assert isinstance(to, Leaf)
    return Ahead(place_of(node, prefix), body, replace(to, fields={**to.fields, "ahead": True}))


def _recover(x: Expander, node: nodes.Recovered, prefix: str) -> Kernel:
    body, handler = x.expand(node.body, prefix), x.expand(node.handler, prefix)
    kinds = tuple(qualified(kind) for kind in node.on) or None
    trigger = Trigger(ops.InnerFailure(kinds), ops.INTERRUPT, handler, takes=FailureShape)
    return Scope(place_of(node, prefix), body, (trigger,))


def _compensate(x: Expander, node: nodes.Compensated, prefix: str) -> Kernel:
    body = x.expand(node.body, prefix)
    triggers = [Trigger(ops.Ended(), ops.LATER, x.expand(node.undo, prefix))]
    if node.attempted is not None:
        triggers.append(Trigger(ops.GivenUp(), ops.LATER, x.expand(node.attempted, prefix)))
    return Scope(place_of(node, prefix), body, tuple(triggers))


def _on_stop(x: Expander, node: nodes.Hooked, prefix: str) -> Kernel:
    body = x.expand(node.body, prefix)
    return Scope(place_of(node, prefix), body, (Trigger(ops.Stopped(), ops.BESIDE, x.expand(node.hook, prefix)),))


def _keep(x: Expander, node: nodes.KeptNode, prefix: str) -> Kernel:
    """Two branches: the input as it is, and the step."""
    return Fork(place_of(node, prefix), "all", (Chain(), x.expand(node.body, prefix)), 2, 0)


def _all_of(x: Expander, node: nodes.AllOf, prefix: str) -> Kernel:
    return _group(x, node, prefix, "all", needed=len(node.branches), spare=0)


def _any_of(x: Expander, node: nodes.AnyOf, prefix: str) -> Kernel:
    return _group(x, node, prefix, "any", needed=1, spare=len(node.branches) - 1)


def _at_least(x: Expander, node: nodes.AtLeast, prefix: str) -> Kernel:
    return _group(x, node, prefix, "at_least", needed=node.k, spare=len(node.branches) - node.k)


def _race(x: Expander, node: nodes.Race, prefix: str) -> Kernel:
    return _group(x, node, prefix, "any", needed=1, spare=0, row="race")


_Group: TypeAlias = nodes.AllOf | nodes.AnyOf | nodes.AtLeast | nodes.Race


def _group(
    x: Expander, node: _Group, prefix: str, kind: str, *, needed: int, spare: int, row: str | None = None
) -> Kernel:
    """`kind` is how the results are put together; `row` what a group that has a name is, if it is something else."""
    within, place = inside(node, prefix), place_of(node, prefix)
    branches = tuple(x.expand(branch, within) for branch in node.branches)
    if isinstance(node, nodes.AllOf) and node.collect:
        branches = tuple(_collecting(place, branch) for branch in branches)
    return Fork(place, kind, branches, needed, spare, (row or kind) if node.name is not None else "")


def _collecting(path: str, branch: Kernel) -> Kernel:
    """A branch whose failure is a result: it is answered by nothing more than the `Failure` itself."""
    return Scope(path, branch, (Trigger(ops.InnerFailure(), ops.INTERRUPT, Chain(), takes=FailureShape),))


def _switch(x: Expander, node: nodes.SwitchNode, prefix: str) -> Kernel:
    keys = keys_of(value for value, _ in node.cases)
    branches = tuple(x.expand(branch, within) for within, branch in branches_of_switch(node, prefix))
    return Choose(joined(prefix, node.label), "switch", node.fn.call, keys, branches)


def _match(x: Expander, node: nodes.MatchNode, prefix: str) -> Kernel:
    """The value is stored by the union of all cases first, so that it is told by the member that it is stored as."""
    place, codec = place_of(node, prefix), codec_of(node.input_type)
    branches = tuple(x.expand(branch, within) for within, branch in branches_of_match(node, prefix))
    choose = Choose(place, "match" if node.name is not None else "", MemberOf(node), keys_of(node.labels), branches)
    return Chain((Leaf(ops.Retype, place, "", {"out": codec}, _typed(codec)), choose))


@dataclass(frozen=True)
class MemberOf:
    """The name of the case that a value is: by its exact class, which a stored value has."""

    node: nodes.MatchNode

    @cached_property
    def _names(self) -> dict[Any, str]:
        members = (member for member, _ in self.node.cases)
        return {codecs.class_of(member): label for member, label in zip(members, self.node.labels, strict=True)}

    def __call__(self, value: Any) -> str:
        return self._names[type(value)]


def keys_of(values: Iterable[Any]) -> tuple[tuple[type, Any], ...]:
    """What a choice compares: True is not 1."""
    found: list[tuple[type, Any]] = [(type(value), value) for value in values]
    return tuple(found)


def _for_each(x: Expander, node: nodes.ForEach, prefix: str) -> Kernel:
    path = joined(prefix, node.label)
    item = codec_of(item_type(node, path))
    body = x.expand(node.body, path)
    return Each(path, "for_each", node.items.call, item, node.limit, body, node.collect, node.enough)


def _child(x: Expander, node: nodes.Workflow, prefix: str) -> Kernel:
    plan = x.compile_child(node)
    return Leaf(ops.Call, joined(prefix, node.label or ""), "workflow", {
        "template": plan.template,
        "version": plan.version,
        "takes": Typed(plan.takes),
        "key": plan.key,
        "gives": plan.gives,
    }, lambda _: plan.gives)  # fmt: skip


EXPANSIONS: Final[dict[type[nodes.Construct], Callable[[Expander, Any, str], Kernel]]] = {
    nodes.Chain: _chain,
    nodes.Command: _command,
    nodes.Listen: _listener,
    nodes.Await: _signal,
    nodes.Task: _task,
    nodes.Pure: _pure,
    nodes.Sleep: _sleep,
    nodes.Until: _wait_until,
    nodes.Apply: _then,
    nodes.Process: _process,
    nodes.Bounded: _timeout,
    nodes.Retried: _retry,
    nodes.Recovered: _recover,
    nodes.Compensated: _compensate,
    nodes.Hooked: _on_stop,
    nodes.KeptNode: _keep,
    nodes.Repeat: _repeat,
    nodes.Skippable: _skippable,
    nodes.AllOf: _all_of,
    nodes.AnyOf: _any_of,
    nodes.AtLeast: _at_least,
    nodes.Race: _race,
    nodes.SwitchNode: _switch,
    nodes.MatchNode: _match,
    nodes.ForEach: _for_each,
    nodes.Workflow: _child,
}
"""What each construct is short for."""


def _call(fn: Fn | None) -> ops.Pure | None:
    return None if fn is None else fn.call


def _typed(codec: TypeCodec[Any]) -> Callable[[Shape], Shape]:
    shape = Typed(codec)
    return lambda _: shape


def _is_frozen(hint: Any) -> bool:
    try:
        return hint is not MISSING and codec_of(hint).frozen
    except UnsupportedType:
        return False
