"""Checks workflows where they are composed; errors have the step's path and the remedy."""

from __future__ import annotations

import typing
from enum import Enum
from typing import Any, Literal, Never

from dagger import codecs
from dagger.dsl.flow import check_matches
from dagger.dsl.functions import MISSING, Fn, is_again, members_of
from dagger.dsl.labels import case_label
from dagger.dsl.leaf_nodes import without_again
from dagger.dsl.nodes import Await, Call, Command, ForEach, Listen, Node, Repeat, SwitchNode, Workflow
from dagger.dsl.paths import place_of, placed, walk
from dagger.dsl.topics import Topic
from dagger.dsl.undoing import check_undos
from dagger.errors import TemplateError, UnsupportedType


def check_scope(node: Node, place: str) -> None:
    """Refuse duplicate paths, conflicting topics or signals, and a switch with a missing case."""
    seen = dict[str, Node]()
    topics = dict[str, tuple[Topic[Any], str]]()
    signals = dict[str, tuple[Any, str]]()
    for path, inner in walk(node):
        if path in seen:
            raise TemplateError(
                f"{place}: two steps are named '{path}'; give one of them another name with .named('...')"
            )
        seen[path] = inner
        if isinstance(inner, Command | Listen):
            _check_topic(inner.topic, path, place, topics)
        if isinstance(inner, Await):
            _check_signal(inner, path, place, signals)
        if isinstance(inner, SwitchNode):
            _check_cases(inner, path)


def check_workflow(node: Workflow) -> None:
    """Refuse a template that cannot run: see `check_scope`; every stored type needs a codec."""
    place = f"template '{node.name}'"
    check_scope(node.body, place)
    check_undos(node.body)
    check_matches(node.body, node.takes)
    _check_codec(node.takes, f"{place}: its input")
    for path, inner in walk(node.body):
        _check_types(inner, path)
    for prefix, inner in placed(node.body):
        if isinstance(inner, Repeat):
            _check_loop(inner, place_of(inner, prefix))


def folded_type(fn: Fn, path: str) -> Any:
    """The declared result of a function that may answer `Again`, without that; TemplateError if missing."""
    return _declared(without_again(fn.gives), fn, path)


def stored_type(fn: Fn, path: str) -> Any:
    """The declared result of a function whose result is stored; TemplateError if missing."""
    return _declared(fn.gives, fn, path)


def _declared(hint: Any, fn: Fn, path: str) -> Any:
    if hint is MISSING or hint is Never:
        raise TemplateError(
            f"{path}: {fn.role} '{fn.name}' does not declare what it returns, and the result must be stored; "
            "annotate it: -> TheType (a lambda cannot be annotated: use a def)"
        )
    return hint


def may_wait_again(fn: Fn | None) -> bool:
    """Whether a listener's function declares that it may return `Again`."""
    return fn is not None and fn.gives is not MISSING and any(is_again(m) for m in members_of(fn.gives))


def values_of(hint: Any) -> list[Any] | None:
    """All values of a Literal, Enum, bool or union of these; None if the type is open."""
    found = list[Any]()
    for member in members_of(hint):
        if typing.get_origin(member) is Literal:
            found += typing.get_args(member)
        elif isinstance(member, type) and issubclass(member, Enum):
            found += list(member)
        elif member is bool:
            found += [True, False]
        elif member is None or member is type(None):
            found.append(None)
        else:
            return None
    return found


def _check_topic(topic: Topic[Any], path: str, place: str, topics: dict[str, tuple[Topic[Any], str]]) -> None:
    other, where = topics.setdefault(topic.name, (topic, path))
    if (other.type, other.codec) != (topic.type, topic.codec):
        raise TemplateError(
            f"{place}: topic '{topic.name}' carries {codecs.type_name(other.type)} ({other.codec.name}) at "
            f"'{where}' and {codecs.type_name(topic.type)} ({topic.codec.name}) at '{path}'; "
            "a topic has one type: use one Topic value for both"
        )
    if not same_function(other.key, topic.key):
        raise TemplateError(
            f"{place}: topic '{topic.name}' has one key function at '{where}' and another at '{path}'; "
            "messages are matched by one: use one Topic value for both, or by= on the listener"
        )


def same_function(one: Fn, other: Fn) -> bool:
    """Whether two functions are the same, or were created by the same code, as by a factory."""
    code = getattr(one.call, "__code__", None)
    return one == other or (code is not None and code is getattr(other.call, "__code__", None))


def _check_signal(node: Await, path: str, place: str, signals: dict[str, tuple[Any, str]]) -> None:
    other, where = signals.setdefault(node.signal, (node.type, path))
    if other != node.type:
        raise TemplateError(
            f"{place}: signal '{node.signal}' carries {codecs.type_name(other)} at '{where}' and "
            f"{codecs.type_name(node.type)} at '{path}'; a signal has one type: give one of them another name"
        )


def _check_cases(node: SwitchNode, path: str) -> None:
    if not node.cases and node.default is None:
        raise TemplateError(f"{path}: the switch has no case; add .case(value, step)")
    values = values_of(node.fn.gives)
    if values is None or node.default is not None:
        return
    covered: list[tuple[Any, Any]] = [(type(value), value) for value, _ in node.cases]  # since True == 1
    holes = [case_label(value) for value in values if (type(value), value) not in covered]
    if holes:
        raise TemplateError(
            f"{path}: no case for {', '.join(holes)}, which '{node.fn.name}' may return; "
            "add .case(...) for each, or .otherwise(step)"
        )


def _check_types(node: Node, path: str) -> None:
    for fn in node.stored:
        if isinstance(node, Call):
            _check_codec(stored_type(fn, path), f"{path}: the result of '{fn.name}'")
        else:
            _check_codec(folded_type(fn, path), f"{path}: the result of '{fn.name}'")
            _check_again(fn, path)
    if isinstance(node, ForEach):
        _check_items(node, path)


def _check_again(fold: Fn, path: str) -> None:
    if not may_wait_again(fold):
        return
    if fold.takes() is MISSING:
        raise TemplateError(f"{path}: '{fold.name}' may answer Again: annotate its first parameter")
    _check_codec(fold.takes(), f"{path}: the input of '{fold.name}', which it may answer again")


def _check_loop(node: Repeat, path: str) -> None:
    if node.until is None and not node.gives_again:
        raise TemplateError(
            f"{path}: the body of this repeat never returns Again(...), so that it would run once; "
            "add until=, or annotate what it returns: -> TheResult | Again[TheInput]"
        )
    if node.head_type is not MISSING:
        _check_codec(node.head_type, f"{path}: what begins each round of this repeat")
    elif node.until is None or not node.body.passes:
        raise TemplateError(
            f"{path}: the type of what begins each round of this repeat is not declared, and it must be stored; "
            "annotate what the last step of the body returns (a lambda cannot be annotated: use a def)"
        )


def item_type(node: ForEach, path: str) -> Any:
    """The declared type of the items of a `for_each`."""
    arguments = typing.get_args(node.items.gives)
    if node.items.gives is MISSING or not arguments:
        raise TemplateError(
            f"{path}: '{node.items.name}' does not declare its items, which must be stored; "
            "annotate it: -> list[TheItem]"
        )
    return arguments[0]


def _check_items(node: ForEach, path: str) -> None:
    _check_codec(item_type(node, path), f"{path}: the items of '{node.items.name}'")


def _check_codec(hint: Any, what: str) -> None:
    try:
        codecs.codec_of(hint)
    except UnsupportedType as error:
        raise UnsupportedType(f"{what}: {error}") from None
