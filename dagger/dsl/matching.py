"""`match`: a choice between steps by the type of the value."""

from __future__ import annotations

import typing
from dataclasses import replace
from typing import Any, Generic, Never, overload
from typing import TypeVar as BareVariable

from typing_extensions import TypeVar, override

from dagger import codecs
from dagger.dsl.build import checked_name, node_of
from dagger.dsl.functions import members_of
from dagger.dsl.labels import member_label
from dagger.dsl.nodes import MatchNode
from dagger.dsl.step import Runs, Step
from dagger.errors import TemplateError, UnsupportedType

A = TypeVar("A")
B = TypeVar("B", default=Any)
M = TypeVar("M")
O = TypeVar("O", covariant=True)  # as in Step

__all__ = ["Match", "match"]


class Match(Step[A, O], Generic[A, O]):
    """One of several branches, chosen by the type of the input; `match()` creates it, `.case` adds branches.

    `A` is the union of the types that have a case.
    """

    __slots__ = ()

    node: MatchNode  # pyright: ignore[reportIncompatibleVariableOverride]  # steps are frozen

    @overload
    def case(self, member: None, step: Runs[None, B]) -> Match[A | None, O | B]: ...
    @overload
    def case(self, member: type[M], step: Runs[M, B]) -> Match[A | M, O | B]: ...
    def case(self, member: Any, step: Any) -> Any:
        """The branch for one member of the union; it takes that member."""
        place = f"match case {codecs.type_name(member)}"
        declared = codecs.erased(type(None) if member is None else member)
        _check_member(declared, place)
        for other, _ in self.node.cases:
            if other == declared:
                raise TemplateError(f"{place}: is there already; a member has one branch")
            if codecs.class_of(other) is codecs.class_of(declared) or member_label(other) == member_label(declared):
                raise TemplateError(
                    f"{place}: a stored value does not tell it from {codecs.type_name(other)}; "
                    "make each a class of its own"
                )
        checked_name(member_label(declared), place)
        found: Match[Any, Any] = Match(replace(self.node, cases=(*self.node.cases, (declared, node_of(step, place)))))
        return found

    @override
    def __repr__(self) -> str:
        return f"<match {' | '.join(member_label(member) for member, _ in self.node.cases)}>"


def match() -> Match[Never, Never]:
    """Choose a branch by the type of the value: `match().case(Received, step).case(Expired, step)`.

    Each branch takes its own member of the union, and every member needs one. The value is told by the type by which
    it is stored, so a subclass is no case of its base. `None` is a case, and an enum is a single one: choose among its
    values, or those of a `Literal`, with `switch`.
    """
    return Match(MatchNode(cases=()))


def _check_member(declared: Any, place: str) -> None:
    if typing.get_origin(declared) is typing.Literal:
        raise TemplateError(f"{place}: a Literal is chosen by its values; use switch(fn).case(value, step)")
    if isinstance(declared, BareVariable) or getattr(declared, "__parameters__", None):
        raise TemplateError(f"{place}: is a type variable, or has one, which no stored value tells; give the type")
    if len(members_of(declared)) > 1:
        raise TemplateError(f"{place}: is a union; add a .case(...) for each of its members")
    if typing.is_typeddict(typing.get_origin(declared) or declared):
        raise TemplateError(f"{place}: is a TypedDict, whose values are plain dicts; make it a class")
    if declared is Any or not isinstance(typing.get_origin(declared) or declared, type):
        raise TemplateError(f"{place}: expects a type, such as a class or None")
    try:
        found = codecs.class_of(declared)
    except UnsupportedType as error:
        raise UnsupportedType(f"{place}: {error}") from None
    if found is None:
        raise TemplateError(f"{place}: its values have no class of their own; make it a class")
