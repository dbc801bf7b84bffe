"""Which values come to each `match` of a template, by the types that functions declare.

Type checkers refuse a match that lacks a case. For those who use none, and for a case that cannot come, which no
checker sees, the declared types are followed through the template. Where one is not known, nothing is refused.
"""

from __future__ import annotations

import typing
from typing import Any, Never, TypeVar

from dagger import codecs
from dagger.dsl import nodes
from dagger.dsl.functions import MISSING, first_of, members_of
from dagger.dsl.labels import member_label
from dagger.dsl.nodes import Node
from dagger.dsl.paths import branches_of_match, inside, parts, place_of
from dagger.dsl.values import Failure
from dagger.errors import TemplateError


def check_matches(node: Node, takes: Any, prefix: str = "") -> None:
    """Refuse a match that lacks a case, or has one that cannot come; `takes` is the type of the construct's input."""
    within = inside(node, prefix)
    match node:
        case nodes.Chain():
            for step in node.steps:
                check_matches(step, takes, within)
                takes = step.result_type(takes)
        case nodes.MatchNode():
            _check_cases(node, place_of(node, prefix), takes)
            branches = zip(node.cases, branches_of_match(node, prefix), strict=True)
            for (member, _), (place, branch) in branches:
                check_matches(branch, member, place)
        case nodes.Compensated():
            check_matches(node.body, takes, within)
            check_matches(node.undo, node.body.result_type(takes), within)
            if node.attempted is not None:
                check_matches(node.attempted, takes, within)
        case nodes.Recovered():
            check_matches(node.body, takes, within)
            check_matches(node.handler, MISSING if takes is MISSING else Failure[takes], within)
        case nodes.ForEach():
            check_matches(node.body, first_of(typing.get_args(node.items.gives)), within)
        case nodes.Skippable():
            check_matches(node.body, takes, within)
        case nodes.Repeat():
            check_matches(node.body, node.head_type, within)
        case nodes.Workflow():  # its own matches were checked when it was composed
            pass
        case _:
            for place, child in parts(node, prefix):
                check_matches(child, takes, place)


def _check_cases(node: nodes.MatchNode, place: str, takes: Any) -> None:
    cases = [member for member, _ in node.cases]
    if not cases:
        raise TemplateError(f"{place}: the match has no case; add .case(TheType, step)")
    come = [codecs.erased(type(None) if one is None else one) for one in members_of(takes)]
    if not all(map(_is_known, come)):
        return
    lacking = [member_label(one) for one in come if one not in cases]
    if lacking:
        raise TemplateError(
            f"{place}: no case for {', '.join(lacking)}, which may come here; add .case({lacking[0]}, step)"
        )
    for member in cases:
        if member not in come:
            raise TemplateError(
                f"{place}: the case {member_label(member)} cannot come: what comes here is "
                f"{' | '.join(map(member_label, come))}; leave it out"
            )


def _is_known(hint: Any) -> bool:
    return not (hint in (MISSING, Any, object, Never) or isinstance(hint, TypeVar | str | typing.ForwardRef))
