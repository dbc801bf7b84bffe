"""What a plan collects from its template is in the order written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dagger import Failure, Step, Topic, listener, template
from dagger.plan import compile

first, second = (Topic(name, str, key=str) for name in ("FIRST", "SECOND"))


@listener(first)
def body(text: str, message: str) -> str:
    return message


@listener(second)
def otherwise(text: str, message: str) -> str:
    return message


@listener(second)
def handler(failure: Failure[str], message: str) -> str:
    return message


@pytest.mark.parametrize("step", [body.timeout(timedelta(1), otherwise=otherwise), body.recover(handler)])
def test_channels_of_a_body_come_before_those_of_what_answers_for_it(step: Step[str, Any]) -> None:
    plan = compile(template("T", step, key=str))
    assert [channel.topic.name for channel in plan.channels.values()] == ["FIRST", "SECOND"]
