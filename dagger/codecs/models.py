"""Pydantic models and dataclasses: pydantic writes and reads them, as JSON.

Pydantic is never imported here: a program that has a model has imported it. Version 2.11 or later.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

from dagger.codecs.names import type_name
from dagger.codecs.time_zones import name_of
from dagger.errors import UnsupportedType


def adapter_of(cls: type, where: str) -> Any:
    """The adapter that writes and reads values of a pydantic class; None for any other class."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(cls, "__pydantic_validator__"):
        return None
    try:
        return pydantic.TypeAdapter(cls)
    except Exception as error:
        raise UnsupportedType(f"{where}: pydantic has no schema for {type_name(cls)}: {error}") from error


def has_fixed_config(cls: Any) -> bool:
    """Whether a pydantic class is frozen and allows no extra fields."""
    config = getattr(cls, "model_config", None)
    if config is None:
        return bool(cls.__dataclass_params__.frozen)
    return bool(config.get("frozen")) and config.get("extra") != "allow"


def model_hints(cls: Any) -> list[Any]:
    """The declared types of the fields of a pydantic class."""
    fields = getattr(cls, "__pydantic_fields__", {})
    return [field.annotation for field in fields.values()]


def written(adapter: Any, value: Any, by_alias: bool) -> bytes:
    """A model as JSON; raises what pydantic raises."""
    text: bytes = adapter.dump_json(value, by_alias=by_alias, round_trip=True, warnings=False)
    return text


def read(adapter: Any, text: bytes, by_alias: bool) -> Any:
    """A model from JSON; raises pydantic's `ValidationError`."""
    return adapter.validate_json(text, by_alias=by_alias, by_name=True)


def change_of(adapter: Any, value: Any) -> str | None:
    """What storing a model would change in it, because pydantic may drop or hide a part; None if nothing.

    An excluded field, a `SecretStr`, or a union that takes another member at the load are lost silently
    otherwise.
    """
    try:
        loaded = read(adapter, written(adapter, value, by_alias=False), by_alias=False)
    except Exception as error:
        why, path = complaint(error) or (str(error), "")
        return f"{why} - at `${path}`" if path else why
    return change_between(value, loaded, "")


def change_between(one: Any, other: Any, path: str) -> str | None:
    """Where two values differ, and the other value there. Lists equal tuples of their items, and NaN equals NaN."""
    kinds: set[Any] = {type(one), type(other)}
    if (kinds <= {list, tuple} and len(one) == len(other)) or (kinds == {dict} and one.keys() == other.keys()):
        items = one.items() if kinds == {dict} else enumerate(one)
        return _first(change_between(each, other[key], f"{path}[{key!r}]") for key, each in items)
    if len(kinds) == 1 and (parts := _parts(one)) is not None:
        others = _parts(other) or {}
        return _first(change_between(each, others.get(name), f"{path}.{name}") for name, each in parts.items())
    if len(kinds) == 1 and _plainly(one) == _plainly(other) and (one == other or (one != one and other != other)):
        return None
    where = f" - at `${path}`" if path else ""
    return f"it would be loaded as {other!r}{_remedy(one)}{where}"


def _first(changes: Iterable[str | None]) -> str | None:
    return next((change for change in changes if change is not None), None)


def _parts(value: Any) -> dict[str, Any] | None:
    """The members of a model or a dataclass by name; None for any other value."""
    if hasattr(value, "__dict__") and hasattr(value, "__pydantic_validator__"):
        extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
        return {**vars(value), **extra}
    if dataclasses.is_dataclass(value):
        names: list[str] = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name, None) for name in names}
    return None


def _plainly(value: Any) -> Any:
    """What distinguishes equal values: the zone of a time, the places of a Decimal, the sign of a zero."""
    if isinstance(value, dt.datetime | dt.time):
        return value.isoformat(), value.fold, None if value.tzinfo is None else name_of(value.tzinfo)
    if type(value) in (set, frozenset):
        return Counter(map(_plainly, value))
    return repr(value) if isinstance(value, float | decimal.Decimal) else None


def _remedy(value: Any) -> str:
    if isinstance(value, dt.datetime | dt.time) and value.tzinfo is not None:
        return "; pydantic keeps the offset of a time and not its zone: use a dataclass, or .astimezone(UTC)"
    return ""


def complaint(error: Exception) -> tuple[str, str] | None:
    """The first complaint of pydantic, and its path (`.lines[0]`); None if the error is not pydantic's."""
    if not hasattr(error, "errors"):
        return None
    first = cast("Any", error).errors(include_url=False)[0]
    path = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in first["loc"])
    return first["msg"], path
