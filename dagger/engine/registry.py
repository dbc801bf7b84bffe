"""The registered templates, compiled, and the receivers of their topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dagger.codecs import type_name
from dagger.core.state import State
from dagger.dsl.check import same_function
from dagger.dsl.nodes import Command, Workflow
from dagger.dsl.paths import walk
from dagger.dsl.template import Template
from dagger.dsl.topics import Topic
from dagger.dsl.values import Limit
from dagger.errors import TemplateConflict, TemplateError, UnknownTemplate
from dagger.plan import Channel, Limits, Plan, compile
from dagger.plan.names import start_channel
from dagger.plan.ops import Task


class StartTrigger(msgspec.Struct, frozen=True):
    """Messages of a topic start instances of a template."""

    name: str
    """Of the channel of these messages."""
    topic: Topic[Any]
    plan: Plan
    build: Callable[[Any], Any] | None


class Registry:
    """Templates by name and version; channels and start triggers by topic."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.channels: dict[str, dict[str, Channel]] = {}
        self.start_triggers: dict[str, list[StartTrigger]] = {}
        self.consumers: dict[str, tuple[Topic[Any], bool, tuple[Channel | StartTrigger, ...]]] = {}
        """For each consumed topic: the topic, whether a message has a single receiver, and the receivers."""
        self.topics: dict[str, Topic[Any]] = {}
        self.revision = 0
        """Changes with what is registered."""
        self._plans: dict[tuple[str, int], Plan] = {}
        self._templates: dict[tuple[str, int], Template[Any, Any]] = {}
        self._latest: dict[str, int] = {}
        self._task_limits: dict[str, Limit] = {}

    def known(self, template: Template[Any, Any]) -> Plan | None:
        """The plan of a template, if exactly this value is registered."""
        place = (template.name, template.version)
        return self._plans[place] if self._templates.get(place) is template else None

    def add(self, template: Template[Any, Any]) -> Plan:
        """Register a template, and the templates that are steps of it: all of them or, if one is refused, none.

        Repeating it changes nothing, and another workflow under the version of one of them is refused."""
        trial = self._copy()
        plans = [trial._add(one) for one in (*children_of(template), template)]
        vars(self).update(vars(trial))
        return plans[-1]

    def _copy(self) -> Registry:
        """Another registry of the same, which can be changed by itself."""
        other = Registry(self.limits)
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, dict) else value)
        other.channels = {topic: channels.copy() for topic, channels in self.channels.items()}
        other.start_triggers = {topic: triggers.copy() for topic, triggers in self.start_triggers.items()}
        return other

    def _add(self, template: Template[Any, Any]) -> Plan:
        """Register one template."""
        place = (template.name, template.version)
        known = self._plans.get(place)
        plan = compile(template, self.limits)
        if known is not None and known.fingerprint != plan.fingerprint:
            raise TemplateConflict(
                f"template '{template.name}' version {template.version} is registered with another workflow; "
                "give the new one the next version=, so that instances of the old one can continue"
            )
        limits = self._with_limits(plan)
        topics = _topics(template, plan)
        for topic in topics:
            self.check(topic, f"template '{template.name}'")
        self.topics.update({topic.name: self.topics.get(topic.name, topic) for topic in topics})
        self._task_limits = limits
        self.revision += known is None
        self._plans[place] = plan
        self._templates[place] = template
        self._latest[template.name] = max(template.version, self._latest.get(template.name, 0))
        for channel in plan.channels.values():
            self.channels.setdefault(channel.topic.name, {})[channel.name] = channel
            self._index(channel.topic.name)
        return plan

    def _with_limits(self, plan: Plan) -> dict[str, Limit]:
        """The limits of tasks by name, including those of a template: a name has one limit."""
        found = dict(self._task_limits)
        for op in plan.ops:
            if isinstance(op, Task) and op.limit is not None and found.setdefault(op.limit.name, op.limit) != op.limit:
                raise TemplateError(
                    f"template '{plan.template}': {op.path} has {op.limit}, and another task {found[op.limit.name]}; "
                    "tasks with limits of one name share it: use one Limit value for both, or another name"
                )
        return found

    def start_on(self, topic: Topic[Any], plan: Plan, build: Callable[[Any], Any] | None) -> None:
        """Start an instance for each message of a topic."""
        self.check(topic, f"start_on for template '{plan.template}'")
        self.topics.setdefault(topic.name, topic)
        triggers = self.start_triggers.setdefault(topic.name, [])
        number = sum(other.plan.template == plan.template for other in triggers)
        name = start_channel(topic.name, plan.template, number)
        triggers.append(StartTrigger(name, topic, plan, build))
        self.revision += 1
        self._index(topic.name)

    def _index(self, topic: str) -> None:
        channels = self.channels.get(topic, {})
        consumers = (*channels.values(), *self.start_triggers.get(topic, ()))
        self.consumers[topic] = self.topics[topic], len(channels) == 1, consumers

    def check(self, topic: Topic[Any], place: str) -> None:
        """Refuse a topic whose name has another type already."""
        known = self.topics.get(topic.name, topic)
        if (known.type, known.codec) != (topic.type, topic.codec):
            raise TemplateError(
                f"{place}: topic '{topic.name}' carries {type_name(topic.type)} here and "
                f"{type_name(known.type)} in what was registered before; a topic has one type"
            )
        if not same_function(known.key, topic.key):
            raise TemplateError(
                f"{place}: topic '{topic.name}' has another key function here than in what was registered before; "
                "messages are matched by one: use one Topic value for both, or by= on the listener"
            )

    @property
    def consumed(self) -> set[str]:
        """The topics that templates consume or that start instances."""
        return {*self.channels, *self.start_triggers}

    def receivers(self, topic: str) -> frozenset[str]:
        """The channels of a topic that are known here."""
        found = self.consumers.get(topic)
        return frozenset[str]() if found is None else frozenset([receiver.name for receiver in found[2]])

    @property
    def names(self) -> list[str]:
        """The names of all templates, sorted."""
        return sorted(self._latest)

    @property
    def places(self) -> frozenset[tuple[str, int]]:
        """Name and version of each template."""
        return frozenset(self._plans)

    @property
    def templates(self) -> list[Template[Any, Any]]:
        """The templates, in the order in which they were registered."""
        return list(self._templates.values())

    def plan(self, name: str, version: int) -> Plan | None:
        """The plan of a template, if it is registered."""
        return self._plans.get((name, version))

    def plan_of(self, state: State) -> Plan | None:
        """The plan of an instance, if its template is registered as it was when the instance began."""
        plan = self._plans.get((state.template, state.version))
        return plan if plan is not None and (state.signature == plan.signature or not state.is_live) else None

    def expect(self, plan: Plan) -> None:
        """Refuse a plan whose template is not registered here, or differs."""
        known = self._plans.get((plan.template, plan.version))
        if known is plan:
            return
        if known is None:
            self.template(plan.template, plan.version)  # which says what is known
        elif known.fingerprint != plan.fingerprint:
            raise TemplateConflict(
                f"template '{plan.template}' version {plan.version} is registered here with another workflow than "
                "the instance was created from; create it from this engine's get_template"
            )

    def template(self, name: str, version: int | None = None) -> Template[Any, Any]:
        """A registered template: of the version, or the latest. Raises UnknownTemplate."""
        wanted = self._latest.get(name) if version is None else version
        found = self._templates.get((name, wanted or 0))
        if found is None:
            what = f"template '{name}'" if version is None else f"template '{name}' version {version}"
            known = ", ".join(self.names) or "none"
            raise UnknownTemplate(f"{what} is not registered; call engine.register(...) first (registered: {known})")
        return found


def children_of(template: Template[Any, Any]) -> list[Template[Any, Any]]:
    """The templates that are steps of a template, or of one of these, each after those that are steps of it."""
    found = list[Template[Any, Any]]()
    for _, node in walk(template.body):
        if isinstance(node, Workflow):
            child: Template[Any, Any] = Template(node)
            found += [*children_of(child), child]
    return found


def _topics(template: Template[Any, Any], plan: Plan) -> list[Topic[Any]]:
    commands = [node.topic for _, node in walk(template.body) if isinstance(node, Command)]
    return [*commands, *(channel.topic for channel in plan.channels.values())]
