"""Chooses how each part of a type is stored: by msgspec itself where it can, composed where it can't."""

from __future__ import annotations

from dagger.errors import UnsupportedType

from ._choices import choice_form, model_form, optional_form, union_form
from ._containers import bounded_form, items_form, pairs_form, row_form, table_form
from ._formats import Format
from ._forms import Form, native_form
from ._records import complete_form, incomplete_form
from ._shapes import Bounded, Choice, Items, Model, OneOf, Record, Row, Shape, Table, reachable


def form_of(shape: Shape, fmt: Format) -> Form:
    """The stored form of a shape in a format; raises `UnsupportedType`."""
    return _Composer(fmt).form(shape)


class _Composer:
    """Makes the forms of one type; that of a record is known before it is complete, as it may recur."""

    def __init__(self, fmt: Format) -> None:
        self._fmt = fmt
        self._records: dict[Shape, Form] = {}

    def form(self, shape: Shape) -> Form:
        if (known := self._records.get(shape)) is not None:
            return known
        return native_form(shape.type) if self._is_native(shape) else self._composed(shape)

    def _is_native(self, shape: Shape) -> bool:
        """Whether msgspec takes the type. It would take a model too, and then fail to read it."""
        if any(isinstance(part, Model) for part in reachable(shape)):
            return False
        try:
            self._fmt.decoder(shape.type)
        except Exception:  # a TypeError, or what msgspec meets when it evaluates annotations itself
            return False
        return True

    def _composed(self, shape: Shape) -> Form:
        match shape:
            case OneOf(members=[member]):
                return optional_form(self.form(member))
            case OneOf():
                return union_form(shape, [self.form(member) for member in shape.members])
            case Record():
                return self._record(shape)
            case Items():
                return items_form(shape, self.form(shape.item))
            case Row():
                return row_form(shape, [self.form(item) for item in shape.items])
            case Table():
                return self._table(shape)
            case Bounded():
                return self._bounded(shape)
            case Choice():
                return choice_form(shape)
            case Model():
                return model_form(shape, self._fmt)
            case _:
                raise UnsupportedType(f"{shape.name}: msgspec does not take it")

    def _record(self, shape: Record) -> Form:
        form = self._records[shape] = incomplete_form(shape)
        complete_form(form, shape, [self.form(field.shape) for field in shape.fields])
        return form

    def _table(self, shape: Table) -> Form:
        key, value = self.form(shape.key), self.form(shape.value)
        return table_form(key, value) if key.native else pairs_form(key, value)

    def _bounded(self, shape: Bounded) -> Form:
        form = bounded_form(shape, self.form(shape.inner))
        try:
            self._fmt.decoder(form.wire)
        except TypeError as error:
            raise UnsupportedType(f"{shape.name}: msgspec can't constrain it: {error}") from error
        return form
