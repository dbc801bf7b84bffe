"""An assistant that answers customers: it asks a model, runs the tools that this wants, and has refunds approved.

The model is a resource of the worker (`lifespan=`), so that tests run with one that plays a part. Each call of the
model and of a tool is a task: it is retried by itself, and what it returned is kept, whoever crashes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from dagger import Again, Retry, context, for_each, keep, pure, repeat, signal, switch, task, template


@dataclass(frozen=True)
class ToolCall:
    """What the model wants to be done."""

    tool: str
    argument: str


@dataclass(frozen=True)
class Talk:
    """A conversation: what was said so far, and what the model wants now."""

    id: str
    said: tuple[str, ...]
    wanted: tuple[ToolCall, ...] = ()
    answer: str = ""


@dataclass(frozen=True)
class Reply:
    """What the model says: an answer, or the tools that it wants."""

    answer: str = ""
    wanted: tuple[ToolCall, ...] = ()


class Model(Protocol):
    """A language model and the tools that it may use, as the worker's `lifespan=` provides them."""

    async def reply(self, said: tuple[str, ...]) -> Reply: ...
    async def use(self, call: ToolCall, key: str) -> str: ...


PATIENT = Retry(attempts=5, first=timedelta(seconds=2), longest=timedelta(minutes=1))


def _model() -> Model:
    model: Model = context().resources
    return model


@task(retry=PATIENT, timeout=timedelta(minutes=2))
async def ask_model(talk: Talk) -> Talk:
    reply = await _model().reply(talk.said)
    return replace(talk, wanted=reply.wanted, answer=reply.answer)


def needs_approval(talk: Talk) -> bool:
    return any(call.tool == "refund" for call in talk.wanted)


@signal("approve", bool)
def approved(talk: Talk, yes: bool) -> Talk:
    if yes:
        return talk
    return replace(talk, said=(*talk.said, "refund: refused by a person"), wanted=())


def unchanged(talk: Talk) -> Talk:
    return talk


def wanted(talk: Talk) -> list[ToolCall]:
    return list(talk.wanted)


@task(retry=PATIENT)
async def use_tool(call: ToolCall) -> str:
    return f"{call.tool}: {await _model().use(call, context().idempotency_key)}"


def next_turn(used: tuple[Talk, list[str]]) -> str | Again[Talk]:
    talk, found = used
    return talk.answer or Again(Talk(talk.id, (*talk.said, *found)))


assistant = template(
    "Assistant",
    repeat(
        ask_model
        >> switch(needs_approval).case(True, approved).case(False, pure(unchanged))
        >> keep(for_each(wanted, use_tool, limit=4))
        >> pure(next_turn),
        at_most=20,
    ).named("TURNS"),
    key=lambda talk: talk.id,
)
