"""Other releases of a program: sets of templates of which a worker knows some, and others not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from dagger.core.events import Submitted
from dagger.dsl import nodes
from dagger.dsl.template import Template
from dagger.engine.registry import Registry

Stay: TypeAlias = Literal["nothing is left to do", "time goes on"]
"""Until when the worker of another release stays."""
AnyTemplate: TypeAlias = Template[Any, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """Another release: what it is called, and what its workers register where a first release registers so much."""

    name: str
    registered: Callable[[Registry], Registry]
    begins: Callable[[Submitted], bool]
    """Whether it has a template that it takes for that of a submission: then the instance would be of this release."""
    stays: tuple[Stay, ...] = ("nothing is left to do",)


def without(registry: Registry) -> Registry:
    """No template is registered, and no topic is heard."""
    return Registry(registry.limits)


def with_next_versions(registry: Registry) -> Registry:
    """Each template is there under a version that nobody has used. Topics start instances of the versions before it."""
    found = Registry(registry.limits)
    beyond = max((template.version for template in registry.templates), default=0)
    for template in registry.templates:
        found.add(Template[Any, Any](replace(template.node, version=template.version + beyond)))
    for trigger in (one for triggers in registry.start_triggers.values() for one in triggers):
        found.start_on(trigger.topic, trigger.plan, trigger.build)
    return found


def with_other_steps(registry: Registry) -> Registry:
    """Each template has one step more, under its name and version. No topic starts an instance."""
    found = Registry(registry.limits)
    for template in registry.templates:
        found.add(with_a_step_more(template))
    return found


def with_a_step_more(template: AnyTemplate) -> AnyTemplate:
    """A template of the same name and version that begins with another step."""
    body = template.node.body
    first = nodes.Sleep(name="a step of another release", pause=timedelta(days=1))
    steps = body.steps if isinstance(body, nodes.Chain) else (body,)
    return Template[Any, Any](replace(template.node, body=nodes.Chain(steps=(first, *steps))))


def with_templates(templates: Sequence[AnyTemplate]) -> Callable[[Registry], Registry]:
    """These templates and no others are registered."""

    def registered(registry: Registry) -> Registry:
        found = Registry(registry.limits)
        for template in templates:
            found.add(template)
        return found

    return registered


def _begins_nothing(event: Submitted) -> bool:
    return False


def _begins_everything(event: Submitted) -> bool:
    return True


RELEASES: Final = (
    Release("without the templates", without, _begins_nothing),
    Release(
        "with the next versions only",
        with_next_versions,
        _begins_nothing,
        ("nothing is left to do", "time goes on"),
    ),
    Release("with other steps in the templates", with_other_steps, _begins_everything),
)
"""What may happen to any program."""


def releases_of(sets: Iterable[Sequence[AnyTemplate]]) -> tuple[Release, ...]:
    """Releases that have these sets of templates."""
    return tuple(_release(number, templates) for number, templates in enumerate(sets, start=1))


def _release(number: int, templates: Sequence[AnyTemplate]) -> Release:
    known = {(template.name, template.version) for template in templates}
    name = f"with the templates of releases[{number - 1}]"
    return Release(name, with_templates(templates), lambda event: (event.template, event.version) in known)
