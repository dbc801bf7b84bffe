"""Whether what undoes a step, is run when it is stopped, or may be skipped to, can take the value that it gets.

Type checkers refuse what cannot. For those who use none, a template is checked where the types are declared and can be
compared; a type that is not known is left to the checkers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from dagger import codecs
from dagger.dsl.functions import MISSING, Fn, may_take, members_of
from dagger.dsl.nodes import (
    Apply,
    Await,
    Bounded,
    Call,
    Chain,
    Compensated,
    Hooked,
    Listen,
    Node,
    Process,
    Retried,
    Skippable,
)
from dagger.dsl.paths import parts, place_of
from dagger.dsl.values import Again
from dagger.errors import TemplateError


def check_undos(node: Node, prefix: str = "") -> None:
    """Refuse an undo that cannot take the result of its step, and what else cannot take the value that it gets."""
    place = place_of(node, prefix)
    if isinstance(node, Compensated):
        _check(node.undo, _result_of(node.body, MISSING), f"{place}: the undo", "the result of the step")
        if node.attempted is not None:
            _check(node.attempted, node.body.input_type, f"{place}: attempted", "the input of the step")
    if isinstance(node, Hooked):
        _check(node.hook, node.body.input_type, f"{place}: the hook", "the input of the step")
    if isinstance(node, Skippable):
        takes = node.body.input_type
        takes = MISSING if takes is object else takes  # it takes anything: what comes is not known here
        _check(node.to, takes, f"{place}: to", "the input of the skippable")
        _check(node.to, node.body.result_type(takes), f"{place}: to", "what the body gives")
    for within, child in parts(node, prefix):
        check_undos(child, within)


def _check(node: Node, given: Any, what: str, source: str) -> None:
    takes = node.input_type
    if takes is MISSING or given is MISSING or may_take(takes, given):
        return
    raise TemplateError(
        f"{what} takes {codecs.type_name(takes)}, but gets {source}, {codecs.type_name(given)}; "
        "give a step that takes that"
    )


def _result_of(node: Node, given: Any) -> Any:
    """The declared type of a construct's result, by that of its input; MISSING where it is not known."""
    if node.passes:
        return given if node.input_type is MISSING else node.input_type
    match node:
        case Chain():
            return reduce(lambda found, step: _result_of(step, found), node.steps, given)
        case Call() | Apply():
            return _gives(node.fn) if node.ends_well else MISSING
        case Listen():
            return node.topic.type if node.fold is None else _gives(node.fold)
        case Await():
            return node.type if node.fold is None else _gives(node.fold)
        case Process() | Bounded():
            return _result_of(node.body, given) if node.otherwise is None else MISSING
        case Retried() | Compensated() | Hooked():
            return _result_of(node.body, given)
        case _:
            return MISSING


def _gives(fn: Fn) -> Any:
    found: Any = MISSING
    for member in members_of(fn.gives):
        if getattr(member, "__origin__", member) is not Again:
            found = member if found is MISSING else found | member
    return found
