"""Topics that start instances: whether the template takes what a topic carries, or what `build` makes of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dagger.codecs import codec_of, mismatch_of, type_name
from dagger.dsl.functions import MISSING, Fn, fn_of, may_take
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.engine.client.validation import checked_topic
from dagger.errors import RequestError, TemplateError


def checked_build(topic: object, build: object) -> Fn | None:
    """The function that builds inputs, if there is one. Raises RequestError for what cannot start instances."""
    checked_topic(topic, "start_on")
    if build is None:
        return None
    if not callable(build) or inspect.iscoroutinefunction(build):
        raise RequestError(f"start_on: build= expects a function that is not async, got {build!r}")
    fn = fn_of(build, "build= of start_on", depth=3)
    if _evaluated(lambda: fn.is_async) is True:
        raise RequestError(f"start_on: build= expects a function that is not async, got {build!r}")
    return fn


def check_start_trigger(topic: Topic[Any], template: Template[Any, Any], build: Fn | None) -> None:
    """Refuse a topic whose messages would all become dead letters, or those of one of its types.

    Only what is declared is compared: a function without annotations may give anything. Raises TemplateError.
    """
    wanted = codec_of(template.node.takes)
    place = f"start_on: template '{template.name}' takes {wanted.name}"
    if build is None:
        odd = mismatch_of(wanted.type, topic.type)
        if odd is not None:
            raise TemplateError(
                f"{place}, and topic '{topic.name}' carries {_named(type_name(topic.type), odd)}; give build=, a "
                f"function that makes the input, {wanted.name}, from a message"
            )
        return
    takes, gives = _declared(build)
    if takes is not MISSING and not may_take(takes, topic.type):
        raise TemplateError(
            f"start_on: topic '{topic.name}' carries {type_name(topic.type)}, and build= '{build.name}' takes "
            f"{type_name(takes)}; give a function that takes what the topic carries"
        )
    odd = None if gives is MISSING else mismatch_of(wanted.type, gives)
    if odd is not None:
        raise TemplateError(
            f"{place}, and build= '{build.name}' gives {_named(type_name(gives), odd)}; give a function that "
            f"makes the input, {wanted.name}"
        )


def _named(whole: str, odd: str) -> str:
    return whole if whole == odd else f"{whole} ({odd} does not fit)"


def _declared(build: Fn) -> tuple[Any, Any]:
    """What a function declares that it takes and gives; MISSING for what cannot be told."""
    if inspect.isclass(build.call):
        return MISSING, build.call
    return _evaluated(build.takes), _evaluated(lambda: build.gives)


def _evaluated(read: Callable[[], Any]) -> Any:
    """An annotation, if it can be evaluated: no other than this check needs that of `build`."""
    try:
        return read()
    except Exception:  # whatever evaluating an annotation raises
        return MISSING
