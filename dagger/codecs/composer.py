"""Chooses how each part of a type is stored: by msgspec itself where it can, composed where it can't."""

from __future__ import annotations

from typing import NamedTuple

from dagger.codecs.containers import bounded_form, bounded_moment_form, items_form, pairs_form, row_form, table_form
from dagger.codecs.formats import Format
from dagger.codecs.forms import Form, native_form
from dagger.codecs.mismatches import mismatch
from dagger.codecs.records import complete_form, incomplete_form
from dagger.codecs.shapes import (
    AtomShape,
    ChoiceShape,
    CollectionShape,
    ConstrainedShape,
    MappingShape,
    ModelShape,
    RecordShape,
    TupleShape,
    TypeShape,
    UnionShape,
    has_moments,
    is_moment,
    reachable,
)
from dagger.codecs.unions import choice_form, marked_form, model_form, optional_form, union_form
from dagger.errors import UnsupportedType


class Forms(NamedTuple):
    """The forms of one type: `plain` for most values, `zoned` for all of a type with times, whose zones it keeps."""

    plain: Form
    zoned: Form | None


def forms_of(shape: TypeShape, fmt: Format) -> Forms:
    """The forms of a shape in a format; raises `UnsupportedType`."""
    zoned = None if fmt.zoned is None or not has_moments(shape) else _Composer(fmt.zoned).form(shape)
    return Forms(_Composer(fmt).form(shape), zoned)


class _Composer:
    """Makes the forms of one type; that of a record is known before it is complete, as it may recur."""

    def __init__(self, fmt: Format) -> None:
        self._fmt = fmt
        self._records: dict[TypeShape, Form] = {}

    def form(self, shape: TypeShape) -> Form:
        if (known := self._records.get(shape)) is not None:
            return known
        return native_form(shape.type) if self._is_native(shape) else self._composed(shape)

    def _is_native(self, shape: TypeShape) -> bool:
        """Whether msgspec takes the type and all of it. It would take a model too, and then fail to read it."""
        if any(isinstance(part, ModelShape) or _is_cut(part) for part in reachable(shape)):
            return False
        if self._fmt.moments is not None and has_moments(shape):
            return False
        return self._is_taken(shape)

    def _is_taken(self, shape: TypeShape) -> bool:
        try:
            self._fmt.decoder(shape.type)
        except Exception:  # a TypeError, or what msgspec meets when it evaluates annotations itself
            return False
        return True

    def _composed(self, shape: TypeShape) -> Form:
        match shape:
            case UnionShape(members=[member]):
                return optional_form(self.form(member))
            case UnionShape():
                tagged = union_form(shape, [self.form(member) for member in shape.members])
                return self._marked(shape, tagged) if self._is_taken(shape) else tagged
            case RecordShape():
                return self._record(shape)
            case CollectionShape():
                return items_form(shape, self.form(shape.item))
            case TupleShape():
                return row_form(shape, [self.form(item) for item in shape.items])
            case MappingShape():
                return self._table(shape)
            case ConstrainedShape():
                return self._bounded(shape)
            case ChoiceShape():
                return choice_form(shape)
            case ModelShape():
                return model_form(shape, self._fmt)
            case AtomShape() if self._fmt.moments is not None and is_moment(shape):
                return self._fmt.moments(shape.cls)
            case _:
                raise UnsupportedType(f"{shape.name}: msgspec does not take it")

    def _marked(self, shape: UnionShape, tagged: Form) -> Form:
        """The form of a union that msgspec takes, but for the zones of the times in it."""
        tables = [each for each in shape.members if isinstance(each, MappingShape) and mismatch(each.key, None) is None]
        if self._fmt.moments is not None and tables:
            raise UnsupportedType(
                f"{shape.name}: a union with times in it has no mapping whose keys may be None; make it a class"
            )
        return marked_form(tagged) if self._fmt.moments is not None else tagged

    def _record(self, shape: RecordShape) -> Form:
        form = self._records[shape] = incomplete_form(shape)
        complete_form(form, shape, [self.form(field.shape) for field in shape.fields])
        return form

    def _table(self, shape: MappingShape) -> Form:
        key, value = self.form(shape.key), self.form(shape.value)
        return table_form(key, value) if key.native or is_moment(shape.key) else pairs_form(key, value)

    def _bounded(self, shape: ConstrainedShape) -> Form:
        if self._fmt.moments is not None and is_moment(shape):
            return bounded_moment_form(shape, self.form(shape.inner))
        form = bounded_form(shape, self.form(shape.inner))
        try:
            self._fmt.decoder(form.wire)
        except TypeError as error:
            raise UnsupportedType(f"{shape.name}: msgspec can't constrain it: {error}") from error
        return form


def _is_cut(shape: TypeShape) -> bool:
    """Whether msgspec leaves out fields of a class: of attrs, those whose names begin with an underscore."""
    if not isinstance(shape, RecordShape) or not hasattr(shape.cls, "__attrs_attrs__"):
        return False
    return any(field.name.startswith("_") for field in shape.fields)
