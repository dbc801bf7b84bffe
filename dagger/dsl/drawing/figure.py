"""What there is to draw of a template: a few elements with their texts and paths.

The drawings (text, graph, SVG) interpret this value and know no construct, so a construct is drawn everywhere
by one case of `element_of`. Two rules keep a drawing exact and short:

* A bound (retry, timeout) is written on its step. Where the step has a side branch already, or is a chain or
  a group, it is written on a frame around it: `a.recover(h).retry(r)` differs from `a.retry(r).recover(h)`.
* Whatever a user has named is made printable: no control character, lone surrogate or line separator is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from dagger import codecs
from dagger.dsl.drawing.elements import (
    Box,
    BranchElement,
    Decision,
    Element,
    Elements,
    Figure,
    ForkElement,
    Frame,
    Note,
    WithSides,
    printable,
)
from dagger.dsl.functions import Fn
from dagger.dsl.labels import case_label, short
from dagger.dsl.nodes import (
    Apply,
    Await,
    Bounded,
    Chain,
    Command,
    Compensated,
    ForEach,
    Group,
    Hooked,
    KeptNode,
    Leaf,
    Listen,
    MatchNode,
    Node,
    Process,
    Recovered,
    Repeat,
    Retried,
    Skippable,
    Sleep,
    SwitchNode,
    Task,
    Workflow,
)
from dagger.dsl.paths import branches_of_match, branches_of_switch, inside, joined
from dagger.dsl.values import Limit, Retry


def figure_of(node: Workflow) -> Figure:
    """What there is to draw of a template."""
    body = run_of(node.body, "")
    return Figure(printable(node.name or ""), node.version, printable(codecs.type_name(node.takes)), body)


def run_of(node: Node, prefix: str) -> Elements:
    """The elements of a construct, one after the other; `prefix` is the path that it stands in."""
    return tuple([element_of(step, prefix) for step in (node.steps if isinstance(node, Chain) else (node,))])


def element_of(node: Node, prefix: str) -> Element:
    """The element of one construct."""
    match node:
        case Process(body=body, timeout=timeout, otherwise=otherwise):
            scope = Frame("process", *_named(node, prefix), run_of(body, inside(node, prefix)), _limits(timeout))
            return _answered(scope, "otherwise", otherwise, inside(node, prefix))
        case ForEach(body=body):
            return Frame("for_each", *_named(node, prefix), run_of(body, inside(node, prefix)), _spread(node))
        case Repeat(body=body, until=until, at_most=at_most):
            most = () if at_most is None else (Note("at most", str(at_most)),)
            notes = (*_given("until", until), *most)
            return Frame("repeat", *_named(node, prefix), run_of(body, inside(node, prefix)), notes)
        case Skippable(body=body, to=to):
            notes = (Note("skip to", printable(to.label or "")),)
            return Frame("skippable", "", None, (*run_of(body, prefix), element_of(to, prefix)), notes)
        case Retried(body=body, policy=policy):
            return _noted(run_of(body, prefix), _retry(policy))
        case Bounded(body=body, after=after, otherwise=otherwise):
            bound = _noted(run_of(body, prefix), *_limits(after))
            return _answered(bound, "otherwise", otherwise, prefix)
        case Recovered(body=body, handler=handler, on=on):
            kind = f"on {_kinds(on)}" if on else "on failure"
            return _answered(_held(run_of(body, prefix)), kind, handler, prefix)
        case Compensated(body=body, undo=undo, attempted=attempted):
            return _aside(run_of(body, prefix), prefix, ("compensate", undo), ("attempted", attempted))
        case Hooked(body=body, hook=hook):
            return _aside(run_of(body, prefix), prefix, ("on stop", hook))
        case KeptNode(body=body):
            return _noted(run_of(body, prefix), Note("keep", "input"))
        case SwitchNode():
            return Decision(*_named(node, prefix), _branches(node, prefix))
        case MatchNode():
            return Decision(*_named(node, prefix), _members(node, prefix), "match")
        case Group():
            runs = [run_of(branch, inside(node, prefix)) for branch in node.branches]
            return ForkElement(node.rule, *_named(node, prefix), tuple(runs))
        case Chain():
            return _held(run_of(node, prefix))
        case _:
            return _leaf(node, prefix)


def _spread(node: ForEach) -> tuple[Note, ...]:
    limit = (Note("limit", str(node.limit)),) if node.limit else ()
    enough = (Note("enough", str(node.enough)),) if node.enough else ()
    return (*limit, *enough, *((Note("collect", "failures"),) if node.collect else ()))


def _leaf(node: Leaf, prefix: str) -> Element:
    name, path = _named(node, prefix)
    match node:
        case Command(topic=topic):
            return Box("command", name, path, printable(topic.name))
        case Listen(topic=topic, on=on, by=by):
            return Box("listener", name, path, printable(topic.name), (*_given("on", on), *_given("by", by)))
        case Await(signal=signal):
            return Box("signal", name, path, printable(signal))
        case Task(retry=retry, timeout=timeout, limit=limit):
            return Box("task", name, path, notes=(*_limits(timeout), *_retries(retry), *_shared(limit)))
        case Sleep(pause=pause):
            return Box("sleep", name, path, short(pause))
        case Apply(fn=fn):
            return Box("then", printable(fn.name), None)
        case Workflow(version=version):
            return Box("workflow", name, path, str(version))
        case _:  # there is nothing more to say of it
            return Box(node.kind, name, path)


def _named(node: Node, prefix: str) -> tuple[str, str | None]:
    """The name and the path of a construct; no path where it has no name."""
    label = printable(node.label or "")
    return label, printable(joined(prefix, label)) if label else None


def _held(run: Elements) -> Box | Frame:
    """A run as one element that can carry a note or a side branch."""
    return run[0] if len(run) == 1 and isinstance(run[0], Box | Frame) else Frame("steps", "", None, run)


def _noted(run: Elements, *notes: Note) -> Box | Frame:
    held = _held(run)
    return replace(held, notes=(*held.notes, *notes))


def _answered(main: Box | Frame, kind: str, answer: Node | None, prefix: str) -> Element:
    return main if answer is None else WithSides(main, (BranchElement(kind, "", run_of(answer, prefix)),))


def _aside(run: Elements, prefix: str, *asides: tuple[str, Node | None]) -> Element:
    """A step with what undoes it, or is run when it is stopped: the flow does not go on from there."""
    found = [BranchElement(kind, "", run_of(node, prefix), returns=False) for kind, node in asides if node is not None]
    one = run[0] if len(run) == 1 else None
    if isinstance(one, WithSides) and not any(side.returns for side in one.sides):
        return WithSides(one.main, (*one.sides, *found))
    return WithSides(_held(run), tuple(found))


def _branches(node: SwitchNode, prefix: str) -> tuple[BranchElement, ...]:
    values = [printable(case_label(value)) for value, _ in node.cases]
    heads = [*(("case", value) for value in values), *([("otherwise", "")] if node.default else [])]
    branches = [run_of(branch, within) for within, branch in branches_of_switch(node, prefix)]
    return tuple([BranchElement(*head, body) for head, body in zip(heads, branches, strict=True)])


def _members(node: MatchNode, prefix: str) -> tuple[BranchElement, ...]:
    branches = [run_of(branch, within) for within, branch in branches_of_match(node, prefix)]
    return tuple([BranchElement("case", label, body) for label, body in zip(node.labels, branches, strict=True)])


def _limits(timeout: timedelta | None) -> tuple[Note, ...]:
    return () if timeout is None else (Note("timeout", short(timeout)),)


def _given(kind: str, fn: Fn | None) -> tuple[Note, ...]:
    return () if fn is None else (Note(kind, printable(fn.name)),)


def _retries(policy: Retry | None) -> tuple[Note, ...]:
    return () if policy is None else (_retry(policy),)


def _shared(limit: Limit | None) -> tuple[Note, ...]:
    if limit is None:
        return ()
    numbers = [f"{limit.concurrency} at a time"] if limit.concurrency else []
    rates = [f"{limit.per_second:g} a second"] if limit.per_second else []
    return (Note("limit", printable(limit.name), ", ".join([*numbers, *rates])),)


def _retry(policy: Retry) -> Note:
    many = "attempt" if policy.attempts == 1 else "attempts"
    return Note("retry", f"{policy.attempts} {many}", ", ".join(_pauses(policy)))


def _pauses(policy: Retry) -> Iterator[str]:
    if policy.attempts > 1:
        grows = f" ×{policy.factor:g} up to {short(policy.longest)}" if policy.factor != 1 else ""
        spread = f" ±{policy.jitter:.0%}" if policy.jitter else ""
        yield f"after {short(policy.first)}{grows}{spread}"
    if policy.kinds != (Exception,):
        yield f"on {_kinds(policy.kinds)}"


def _kinds(kinds: tuple[type[BaseException], ...]) -> str:
    return " or ".join(printable(getattr(kind, "__name__", "")) for kind in kinds)
