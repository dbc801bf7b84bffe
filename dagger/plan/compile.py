"""From a template to its plan, once, without recursion over chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from dagger import codecs
from dagger.codecs import TypeCodec, codec_of
from dagger.dsl import nodes
from dagger.dsl.check import item_type, may_wait_again, stored_type
from dagger.dsl.functions import MISSING, Fn
from dagger.dsl.paths import branches_of_switch, inside, joined, place_of
from dagger.dsl.template import Template
from dagger.errors import TemplateError, UnsupportedType
from dagger.plan import ops
from dagger.plan.names import listener_channel, signal_channel, topic_channel
from dagger.plan.plan import Channel, Limits, Plan
from dagger.plan.policies import MICROSECOND, retry_rule
from dagger.plan.shapes import Failed, Many, Mapped, Shape, Tagged, Together, Typed
from dagger.plan.signature import signature_of

P = TypeVar("P", bound=ops.Op)


@lru_cache(maxsize=256)
def compile(template: Template[Any, Any], limits: Limits | None = None) -> Plan:
    """Compile a template: the same value gives the same plan, in time proportional to its size."""
    return _Compiler(template).plan(limits or Limits())


class _Compiler:
    """Lays out operations one after the other; `owner` and the outcome slot around are kept as it goes."""

    def __init__(self, template: Template[Any, Any]) -> None:
        self.template = template
        self.ops: list[ops.Op] = []
        self.paths: list[str] = []
        self.kinds: list[str] = []
        self.owners: list[int] = []
        self.owner = -1
        self.around = -1
        self.repeats = 0
        self.bound_path = ""
        """The path of the bound that is laid next, where it is not that of what it bounds."""
        self.channels: dict[str, Channel] = {}
        self.signals: dict[str, TypeCodec[Any]] = {}

    def plan(self, limits: Limits) -> Plan:
        template = self.template
        takes = codec_of(template.takes)
        gives = self.lay(template.body, "", Typed(takes))
        self.add(ops.End, "", gives)
        listeners = self.listeners()
        return Plan(
            template=template.name,
            version=template.version,
            fingerprint=template.fingerprint(),
            layout=signature_of(self.ops, list(zip(self.paths, self.kinds, self.owners, strict=True))),
            ops=tuple(self.ops),
            paths=tuple(self.paths),
            kinds=tuple(self.kinds),
            owners=tuple(self.owners),
            takes=takes,
            gives=gives,
            key=template.key.call,
            channels=self.channels,
            open_channels=frozenset(
                name for name, found in listeners.items() if any(x.on is None and not x.is_signal for x in found)
            ),
            listeners=listeners,
            signals=self.signals,
            limits=limits,
        )

    def listeners(self) -> dict[str, tuple[ops.Listen, ...]]:
        found = dict[str, tuple[ops.Listen, ...]]()
        for op in self.ops:
            if isinstance(op, ops.Listen):
                found[op.channel] = (*found.get(op.channel, ()), op)
        return found

    def add(self, op: type[P], path: str, shape: Shape, /, **fields: Any) -> P:
        """Lay one operation; its value goes to the one laid next unless that is changed."""
        index = len(self.ops)
        laid = op(index=index, path=path, shape=shape, **{"next": index + 1, "owner": self.owner, **fields})
        self.ops.append(laid)
        return laid

    def slot(self, path: str, kind: str) -> int:
        """A new row of the outcome table."""
        self.paths.append(path)
        self.kinds.append(kind)
        self.owners.append(self.around)
        return len(self.paths) - 1

    @property
    def here(self) -> int:
        """The index that the next operation gets."""
        return len(self.ops)

    def lay(self, node: nodes.Node, prefix: str, shape: Shape) -> Shape:
        """Lay the operations of a construct; gives the shape of its result."""
        if isinstance(node, nodes.Chain):
            for step in node.steps:
                shape = self.lay(step, prefix, shape)
            return shape
        return _LAY[type(node)](self, node, prefix, shape)

    def within(self, opener: ops.Op, node: nodes.Node, prefix: str, shape: Shape) -> Shape:
        """Lay a construct whose failures go to `opener`."""
        owner, around = self.owner, self.around
        self.owner = opener.index
        self.around = opener.slot if opener.slot >= 0 else around
        result = self.lay(node, prefix, shape)
        self.owner, self.around = owner, around
        return result

    def closing(self, opener: ops.Op, op: type[P], shape: Shape, /, **fields: Any) -> P:
        """Lay a closing operation, which belongs to what `opener` opened."""
        return self.add(op, opener.path, shape, owner=opener.index, **fields)


def _publish(c: _Compiler, node: nodes.Command, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    is_list = getattr(node.topic.type, "__origin__", node.topic.type) in (list, tuple)
    c.add(
        ops.Publish,
        path,
        shape,
        slot=c.slot(path, "command"),
        topic=node.topic,
        encode=node.topic.wire.encode,
        key=(node.topic.partition_key or node.topic.key).call,
        build=_call(node.build),
        many=not is_list,
    )
    return shape


def _listen(c: _Compiler, node: nodes.Listen, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    topic, template = node.topic.name, c.template
    if node.by is None:
        channel = topic_channel(topic)
    else:
        channel = listener_channel(topic, template.name, template.version, path)
    c.channels[channel] = Channel(channel, node.topic, _call(node.by))
    wire = node.topic.wire
    return _wait(c, node.fold, node.topic.type, path, shape, "listener", {
        "channel": channel,
        "on": _call(node.on),
        "decode": wire.decode,
        "encode_key": node.topic.encode_key,
        "is_signal": False,
    })  # fmt: skip


def _await(c: _Compiler, node: nodes.Await, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    codec = codec_of(node.type)
    if c.signals.setdefault(node.signal, codec) is not codec:
        raise TemplateError(f"{path}: signal '{node.signal}' carries two types in one template; it has one")
    return _wait(c, node.fold, node.type, path, shape, "signal", {
        "channel": signal_channel(node.signal),
        "on": None,
        "decode": codec.decode,
        "encode_key": None,
        "is_signal": True,
    })  # fmt: skip


def _wait(
    c: _Compiler, fold: Fn | None, message: Any, path: str, shape: Shape, kind: str, fields: dict[str, Any]
) -> Shape:
    out = codec_of(message if fold is None else stored_type(fold, path))
    again = Typed(codec_of(fold.takes())) if fold is not None and may_wait_again(fold) else None
    slot = c.slot(path, kind)
    repeats = bool(c.repeats)
    c.add(ops.Listen, path, shape, slot=slot, fold=_call(fold), out=out, again=again, repeats=repeats, **fields)
    return Typed(out)


def _task(c: _Compiler, node: nodes.Task, prefix: str, shape: Shape) -> Shape:
    """`retry=` is a bound around the task, of its path; `timeout=` is kept to by the worker that calls it."""
    path = joined(prefix, node.label)
    if node.retry is not None:
        return c.lay(nodes.Retried(body=replace(node, retry=None), policy=node.retry), prefix, shape)
    out = codec_of(stored_type(node.fn, path))
    slot = c.slot(path, "task")
    after = -1 if node.timeout is None else node.timeout // MICROSECOND
    fields = {"fn": node.fn.call, "is_async": node.fn.is_async, "after": after, "limit": node.limit}
    c.add(ops.Run, path, shape, slot=slot, out=out, **fields)
    return Typed(out)


def _sleep(c: _Compiler, node: nodes.Sleep, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    c.add(ops.Pause, path, shape, slot=c.slot(path, "sleep"), delay=node.pause // MICROSECOND, at=None)
    return shape


def _until(c: _Compiler, node: nodes.Until, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    c.add(ops.Pause, path, shape, slot=c.slot(path, "wait_until"), delay=-1, at=node.at.call)
    return shape


def _apply(c: _Compiler, node: nodes.Apply, prefix: str, shape: Shape) -> Shape:
    out = Mapped(shape, node.fn.call, _type_name(node.fn.gives), _is_frozen(node.fn.gives))
    c.add(ops.Apply, joined(prefix, node.fn.name), shape, fn=node.fn.call, out=out)
    return out


def _process(c: _Compiler, node: nodes.Process, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label or "")
    enter = c.add(ops.Enter, path, shape, slot=c.slot(path, "process"))
    if node.timeout is None:
        result = c.within(enter, node.body, path, shape)
    else:
        bound = nodes.Bounded(body=node.body, after=node.timeout, otherwise=node.otherwise)
        c.bound_path = path
        result = c.within(enter, bound, path, shape)
    c.closing(enter, ops.Leave, result, slot=enter.slot)
    return result


def _bounded(c: _Compiler, node: nodes.Bounded, prefix: str, shape: Shape) -> Shape:
    path, c.bound_path = c.bound_path or place_of(node, prefix), ""
    opener = c.add(ops.Open, path, shape, after=node.after // MICROSECOND)
    result = c.within(opener, node.body, prefix, shape)
    c.closing(opener, ops.Close, result)
    if node.otherwise is None:
        return result
    return _alternative(c, opener, result, node.otherwise, prefix, shape)


def _alternative(c: _Compiler, opener: ops.Open, result: Shape, other: nodes.Node, prefix: str, shape: Shape) -> Shape:
    """Lay what answers instead of a body; both ends are tagged and meet behind."""
    first = c.add(ops.Merge, opener.path, result, tag=0)
    opener.other = c.here
    answer = c.lay(other, prefix, shape)
    second = c.add(ops.Merge, opener.path, answer, tag=1)
    first.next = second.next = c.here
    return Tagged((result, answer))


def _retried(c: _Compiler, node: nodes.Retried, prefix: str, shape: Shape) -> Shape:
    opener = c.add(ops.Open, place_of(node, prefix), shape, retry=retry_rule(node.policy))
    c.repeats += 1
    result = c.within(opener, node.body, prefix, shape)
    c.repeats -= 1
    c.closing(opener, ops.Close, result)
    return result


def _recovered(c: _Compiler, node: nodes.Recovered, prefix: str, shape: Shape) -> Shape:
    opener = c.add(ops.Open, place_of(node, prefix), shape, recover=True)
    result = c.within(opener, node.body, prefix, shape)
    c.closing(opener, ops.Close, result)
    return _alternative(c, opener, result, node.handler, prefix, Failed(shape))


def _group(c: _Compiler, node: nodes.AllOf | nodes.AnyOf | nodes.AtLeast, prefix: str, shape: Shape) -> Shape:
    kind, needed = _group_kind(node)
    path = place_of(node, prefix)
    slot = c.slot(path, kind) if node.name else -1
    fork = c.add(ops.Fork, path, shape, slot=slot, needed=needed, kind=kind)
    results, starts = list[Shape](), list[int]()
    for number, branch in enumerate(node.branches):
        starts.append(c.here)
        results.append(_branch(c, fork, number, branch, inside(node, prefix), shape))
    fork.branches, fork.exit = tuple(starts), c.here
    if kind == "all":
        return Together(results)
    return Tagged(results) if kind == "any" else Many(Tagged(results))


def _branch(c: _Compiler, fork: ops.Fork, number: int, node: nodes.Node, prefix: str, shape: Shape) -> Shape:
    branch = c.closing(fork, ops.Branch, shape, number=number)
    around, c.around = c.around, fork.slot if fork.slot >= 0 else c.around
    result = c.within(branch, node, prefix, shape)
    c.around = around
    c.closing(fork, ops.Join, result, number=number)
    return result


def _group_kind(node: nodes.AllOf | nodes.AnyOf | nodes.AtLeast) -> tuple[str, int]:
    if isinstance(node, nodes.AtLeast):
        return "at_least", node.k
    return ("all", len(node.branches)) if isinstance(node, nodes.AllOf) else ("any", 1)


def _switch(c: _Compiler, node: nodes.Switch, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    slot = c.slot(path, "switch")
    choose = c.add(ops.Choose, path, shape, slot=slot, fn=node.fn.call, cases={})
    results, merges = list[Shape](), list[ops.Merge]()
    keys: list[tuple[type, Any]] = [(type(value), value) for value, _ in node.cases]
    for tag, (within, branch) in enumerate(branches_of_switch(node, prefix)):
        if tag < len(keys):
            choose.cases[keys[tag]] = c.here
        else:
            choose.default = c.here
        results.append(c.within(choose, branch, within, shape))
        merges.append(c.closing(choose, ops.Merge, results[-1], slot=slot, tag=tag))
    for merge in merges:
        merge.next = c.here
    return Tagged(results)


def _for_each(c: _Compiler, node: nodes.ForEach, prefix: str, shape: Shape) -> Shape:
    path = joined(prefix, node.label)
    item = codec_of(item_type(node, path))
    spread = c.add(
        ops.Spread,
        path,
        shape,
        slot=c.slot(path, "for_each"),
        items=node.items.call,
        item=item,
        limit=node.limit,
    )
    spread.body = c.here
    c.repeats += 1
    result = c.within(spread, node.body, path, Typed(item))
    c.repeats -= 1
    c.closing(spread, ops.Gather, result)
    spread.exit = c.here
    return Many(result)


def _child(c: _Compiler, node: nodes.Workflow, prefix: str, shape: Shape) -> Shape:
    raise TemplateError(
        f"{joined(prefix, node.label or '')}: template '{node.name}' as a step of '{c.template.name}' can be drawn, "
        "but child workflows cannot be run yet; compose the body of the child instead"
    )


_LAY: dict[type[nodes.Construct], Callable[..., Shape]] = {
    nodes.Command: _publish,
    nodes.Listen: _listen,
    nodes.Await: _await,
    nodes.Task: _task,
    nodes.Sleep: _sleep,
    nodes.Until: _until,
    nodes.Apply: _apply,
    nodes.Process: _process,
    nodes.Bounded: _bounded,
    nodes.Retried: _retried,
    nodes.Recovered: _recovered,
    nodes.AllOf: _group,
    nodes.AnyOf: _group,
    nodes.AtLeast: _group,
    nodes.Switch: _switch,
    nodes.ForEach: _for_each,
    nodes.Workflow: _child,
}


def _call(fn: Fn | None) -> ops.Pure | None:
    return None if fn is None else fn.call


def _type_name(hint: Any) -> str:
    return "?" if hint is MISSING else codecs.type_name(hint)


def _is_frozen(hint: Any) -> bool:
    try:
        return hint is not MISSING and codec_of(hint).frozen
    except UnsupportedType:
        return False
