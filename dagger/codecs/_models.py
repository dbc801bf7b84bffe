"""Pydantic models and dataclasses: pydantic writes and reads them, as JSON.

Pydantic is never imported here: a program that has a model has imported it. Version 2.11 or later.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from dagger.errors import UnsupportedType

from ._names import type_name


def adapter_of(cls: type, where: str) -> Any:
    """What writes and reads values of a pydantic class; None for any other class."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(cls, "__pydantic_validator__"):
        return None
    try:
        return pydantic.TypeAdapter(cls)
    except Exception as error:
        raise UnsupportedType(f"{where}: pydantic has no schema for {type_name(cls)}: {error}") from error


def has_fixed_config(cls: Any) -> bool:
    """Whether the fields of a pydantic class can't be set, and there are no others."""
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
    """What storing a model would change in it, since pydantic may drop or hide a part; None if nothing.

    An excluded field, a `SecretStr`, or a union that takes another member at the load are lost silently
    otherwise.
    """
    try:
        loaded = read(adapter, written(adapter, value, by_alias=False), by_alias=False)
    except Exception as error:
        why, path = complaint(error) or (str(error), "")
        return f"{why} - at `${path}`" if path else why
    return None if alike(value, loaded) else f"it would be loaded as {loaded!r}"


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, where NaN is, and a list is the same as the tuple of its items."""
    kinds: set[Any] = {type(one), type(other)}
    if kinds <= {list, tuple}:
        return len(one) == len(other) and all(map(alike, one, other))
    if len(kinds) > 1:
        return False
    if kinds == {dict}:
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if hasattr(one, "__dict__") and hasattr(one, "__pydantic_validator__"):
        return alike(vars(one), vars(other)) and alike(_extra(one), _extra(other))
    # NaN is the value that differs from itself.
    return bool(one == other) or bool(one != one and other != other)


def _extra(model: Any) -> Any:
    return getattr(model, "__pydantic_extra__", None) or {}


def complaint(error: Exception) -> tuple[str, str] | None:
    """What pydantic complains of first, and its path (`.lines[0]`); None if the error is not pydantic's."""
    if not hasattr(error, "errors"):
        return None
    first = cast("Any", error).errors(include_url=False)[0]
    path = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in first["loc"])
    return first["msg"], path
