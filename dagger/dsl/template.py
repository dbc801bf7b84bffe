"""A template: a named, keyed, versioned workflow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Never, Protocol, Self, TypeAlias, cast, overload
from uuid import UUID

from typing_extensions import TypeVar, override

from dagger.dsl.build import checked_name, node_of
from dagger.dsl.check import check_workflow
from dagger.dsl.functions import MISSING, Fn, fn_of
from dagger.dsl.nodes import Node, Workflow
from dagger.dsl.step import Pass, Runs, Step
from dagger.errors import TemplateError

A = TypeVar("A")
B = TypeVar("B", default=Any)
X = TypeVar("X")
I = TypeVar("I", contravariant=True)
O = TypeVar("O", covariant=True)

Key: TypeAlias = str | int | UUID | Enum
"""What can be written as text, and so can be a business key."""

__all__ = ["Template", "template"]


class Template(Step[I, O]):
    """A named, keyed, versioned workflow from an `A` to a `B`; an immutable value, created by `template(...)`."""

    __slots__ = ()

    node: Workflow  # pyright: ignore[reportIncompatibleVariableOverride]  # steps are frozen

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        return cast("str", self.node.name)

    @property
    def version(self) -> int:
        """The version, 1 or more; instances keep the version with which they were started."""
        return self.node.version

    @property
    def body(self) -> Node:
        """The tree of the workflow."""
        return self.node.body

    @property
    def key(self) -> Fn:
        """The function that computes the business key from the input."""
        return self.node.key

    @property
    def takes(self) -> Any:
        """The declared type of the input."""
        return self.node.takes

    def fingerprint(self) -> str:
        """The SHA-256 (hex) of structure, names, types and topics; equal for equal workflows in any process."""
        from dagger.dsl.outline import outline

        text = "\n".join(outline(self.node))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_mermaid(self) -> str:
        """The template as a Mermaid flowchart, for pages that render it (GitHub, GitLab, most wikis)."""
        from dagger.dsl.drawing.mermaid import mermaid

        return mermaid(self.node)

    def to_dot(self) -> str:
        """The template in the DOT language of Graphviz; the id of a step is its path."""
        from dagger.dsl.drawing.dot import dot

        return dot(self.node)

    def to_svg(self, status: Mapping[str, str] | None = None) -> str:
        """The template as a standalone SVG, which is light or dark as its reader prefers.

        `status` colours steps and processes: a status (`"COMPLETED"`, `"EXECUTING"`, ...) for each path. A path that
        the template does not have is ignored. Raises WrongInput for a value that is not a status.
        """
        from dagger.dsl.drawing.svg import svg

        return svg(self.node, status)

    @override
    def __str__(self) -> str:
        from dagger.dsl.drawing.tree import tree

        return tree(self.node)

    @override
    def named(self, name: str) -> Self:
        """Refused: the name of a template is fixed."""
        raise TemplateError(f"template '{self.name}': its name is fixed; give template() another one ({name!r})")

    @override
    def __repr__(self) -> str:
        return f"<template {self.name} version {self.version}>"


class KeyOf(Protocol[I]):
    """A key function, as a protocol: mypy infers it together with the body, but a `Callable` only later."""

    def __call__(self, value: I, /) -> Key: ...


@overload
def template(
    name: str, body: Runs[A, B], *, key: Callable[[A], Key], version: int = ..., takes: type[A]
) -> Template[A, B]: ...
@overload
def template(name: str, body: Pass[Never], *, key: KeyOf[A], version: int = ...) -> Template[A, A]: ...
@overload
def template(name: str, body: Pass[X], *, key: KeyOf[A], version: int = ...) -> Template[A, A | X]: ...
@overload
def template(name: str, body: Step[A, B], *, key: Callable[[A], Key], version: int = ...) -> Template[A, B]: ...
@overload
def template(name: str, body: Step[object, X], *, key: KeyOf[A], version: int = ...) -> Template[A, X]: ...
def template(name: str, body: Any, *, key: Any, version: Any = 1, takes: Any = None) -> Any:
    """Name a workflow.

    `key` computes the business key from the input. Listeners wait for it by default, and it is the id of an instance
    that is started without one. `version` counts the variants of one workflow. `takes` is the type of the input, needed
    only if no function of the body or the key declares it.

    Raises TemplateError for everything that can be refused before anything runs: a duplicate name in a scope, a
    switch without a needed case, a topic with two types, a result without a declared type, a type without a codec.
    """
    place = f"template '{checked_name(name, 'template')}'"
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise TemplateError(f"{place}: version is {version!r}; give a whole number from 1")
    inside = node_of(body, place)
    key_fn = fn_of(key, f"key of {place}")
    node = Workflow(name=name, body=inside, key=key_fn, version=version, takes=_takes(takes, inside, key_fn, place))
    check_workflow(node)
    made: Template[Any, Any] = Template(node)
    return made


def _takes(given: Any, body: Node, key: Fn, place: str) -> Any:
    found = given if given is not None else body.input_type
    if found is MISSING:
        found = key.takes()
    if found is MISSING:
        raise TemplateError(
            f"{place}: nothing declares the type of its input; annotate the parameter of the first function "
            "or of the key function, or give takes=TheType"
        )
    return found
