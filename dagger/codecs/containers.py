"""The forms of containers that hold what msgspec alone can't store.

Their bytes are those that msgspec would write, but a dict whose keys are composed is an array of pairs.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dagger.codecs.forms import Form, revived, revived_items
from dagger.codecs.shapes import CollectionShape, ConstrainedShape, TupleShape


def items_form(shape: CollectionShape, item: Form) -> Form:
    """Any number of items."""
    wire: Any = list[item.wire]  # type: ignore[name-defined]  # made at run time

    def dump(value: Any) -> Any:
        return [item.dump(each) for each in value]

    return Form(wire, dump, lambda read: shape.make(revived_items(item, read)))


def row_form(shape: TupleShape, items: list[Form]) -> Form:
    """A tuple of a fixed length."""
    wire: Any = tuple[tuple(item.wire for item in items)]  # type: ignore[misc]  # made at run time

    def dump(value: Any) -> Any:
        return [item.dump(each) for item, each in zip(items, value, strict=True)]

    def revive(read: Any) -> Any:
        pairs = enumerate(zip(items, read, strict=True))
        return tuple(revived(item, each, f"[{i}]") for i, (item, each) in pairs)

    return Form(wire, dump, revive)


def table_form(key: Form, value: Form) -> Form:
    """A dict whose keys msgspec reads itself, or which are texts in their composed form."""
    wire: Any = dict[key.wire, value.wire]  # type: ignore[name-defined]  # made at run time

    def dump(table: Any) -> Any:
        return {key.dump(name): value.dump(each) for name, each in table.items()}

    def revive(read: Any) -> Any:
        pairs = read.items()
        return {revived(key, name, " key"): revived(value, each, "[...]") for name, each in pairs}

    return Form(wire, dump, revive)


def pairs_form(key: Form, value: Form) -> Form:
    """A dict with any other keys."""
    wire: Any = list[tuple[key.wire, value.wire]]  # type: ignore[name-defined]  # made at run time

    def dump(table: Any) -> Any:
        return [(key.dump(name), value.dump(each)) for name, each in table.items()]

    def revive(read: Any) -> Any:
        pairs = ((f"[{i}]", *pair) for i, pair in enumerate(read))
        return {revived(key, name, f"{i}[0]"): revived(value, each, f"{i}[1]") for i, name, each in pairs}

    return Form(wire, dump, revive)


def bounded_form(shape: ConstrainedShape, inner: Form) -> Form:
    """Constraints on a container; msgspec holds what it reads in its place to them."""
    wire: Any = Annotated[inner.wire, *shape.type.__metadata__]
    return Form(wire, inner.dump, inner.revive)


def bounded_moment_form(shape: ConstrainedShape, inner: Form) -> Form:
    """Constraints on a time, to which it is held once it is read."""

    def revive(read: Any) -> Any:
        value = inner.revive(read)
        msgspec.convert(value, shape.type)
        return value

    return Form(inner.wire, inner.dump, revive)
