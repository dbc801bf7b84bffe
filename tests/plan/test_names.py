"""Names of channels, and what they are made of."""

from __future__ import annotations

import pytest

from dagger.plan.names import listener_channel, signal_channel, topic_channel, topic_of

NAMES = ["ORDERS", "a:b", "signal:go", "a/b", "50%", "a#b", "%3A", "über.alles", "a b"]


@pytest.mark.parametrize("topic", NAMES)
def test_the_topic_of_a_channel_is_found_again(topic: str) -> None:
    assert topic_of(topic_channel(topic)) == topic
    assert topic_of(listener_channel(topic, "T#1", 2, "P/step")) == topic


@pytest.mark.parametrize("topic", NAMES)
def test_no_channel_of_a_topic_is_that_of_a_signal(topic: str) -> None:
    assert ":" not in topic_channel(topic)
    assert topic_channel(topic) != signal_channel("go")


def test_channels_of_different_topics_differ() -> None:
    assert len({topic_channel(topic) for topic in NAMES}) == len(NAMES)
