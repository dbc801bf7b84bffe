"""The assistant, with a model that plays a part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dagger import Dagger, Status
from dagger.testing import TestEngine
from examples.agent import Reply, Talk, ToolCall, assistant

pytestmark = pytest.mark.anyio

DRAWING = Path(__file__).parents[2] / "docs" / "assistant-workflow.svg"
LOOK_UP, REFUND = ToolCall("orders", "o-1"), ToolCall("refund", "o-1")


class PlayedModel:
    """Gives its replies one after the other, and notes what it was told."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.heard = list[tuple[str, ...]]()
        self.used = list[tuple[ToolCall, str]]()

    async def reply(self, said: tuple[str, ...]) -> Reply:
        self.heard.append(said)
        return self.replies.pop(0)

    async def use(self, call: ToolCall, key: str) -> str:
        self.used.append((call, key))
        return "done"


def engine_with(model: PlayedModel) -> TestEngine:
    @asynccontextmanager
    async def lifespan(_: Dagger) -> AsyncIterator[PlayedModel]:
        yield model

    return TestEngine(lifespan=lifespan)


async def test_tools_are_used_until_there_is_an_answer() -> None:
    model = PlayedModel(Reply(wanted=(LOOK_UP, LOOK_UP)), Reply(wanted=(LOOK_UP,)), Reply("It ships today."))
    async with engine_with(model) as engine:
        run = await engine.start(assistant, Talk("t-1", ("Where is o-1?",)))
        assert run.result == "It ships today."
        assert run.step("TURNS/ask_model").attempts == 3
    assert model.heard[-1] == ("Where is o-1?", *["orders: done"] * 3)
    assert [key for _, key in model.used] == [
        "t-1/TURNS/wanted/use_tool[0]#1",
        "t-1/TURNS/wanted/use_tool[1]#1",
        "t-1/TURNS/wanted/use_tool[0]#2",
    ]


async def test_a_refund_waits_for_a_person() -> None:
    model = PlayedModel(Reply(wanted=(REFUND,)), Reply("You have your money back."))
    async with engine_with(model) as engine:
        run = await engine.start(assistant, Talk("t-1", ("I want my money back",)))
        assert run.step("TURNS/true/approved").status is Status.EXECUTING
        await engine.signal(run, "approve", True)
        assert run.result == "You have your money back."
    assert [call for call, _ in model.used] == [REFUND]


async def test_a_refund_that_is_refused_is_not_made() -> None:
    model = PlayedModel(Reply(wanted=(REFUND,)), Reply("I cannot do that."))
    async with engine_with(model) as engine:
        run = await engine.start(assistant, Talk("t-1", ("I want my money back",)))
        await engine.signal(run, "approve", False)
        assert run.result == "I cannot do that."
    assert model.used == []
    assert model.heard[-1][-1] == "refund: refused by a person"


async def test_a_model_that_never_answers_is_ended() -> None:
    model = PlayedModel(*[Reply(wanted=(LOOK_UP,))] * 20)
    async with engine_with(model) as engine:
        run = await engine.start(assistant, Talk("t-1", ("Hello",)))
        assert str(run.error) == "TURNS: TooManyRounds: is not done after 20 rounds"


def test_its_drawing() -> None:
    assert DRAWING.read_text(encoding="utf-8") == assistant.to_svg()
    assert (
        str(assistant)
        == """\
Assistant, version 1, from Talk
└─ repeat TURNS, at most 20
   ├─ task ask_model, timeout 2m, retry 5 attempts (after 2s ×2 up to 1m)
   ├─ switch needs_approval
   │  ├─ case true
   │  │  └─ signal approved ← approve
   │  └─ case false
   │     └─ pure unchanged
   ├─ for each wanted, limit 4, keep input
   │  └─ task use_tool, retry 5 attempts (after 2s ×2 up to 1m)
   └─ pure next_turn"""
    )
