"""How far back a store may have lost something: counted from what was committed, whoever goes on, and when."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import OffsetAndMetadata, TopicPartition

from dagger.backends.kafka.binding import Binding
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.lane import Lane, OffsetNote
from dagger.backends.kafka.options import options_of

LOG = TopicPartition("orders.log", 0)
BINDING = Binding(id="c", application="orders", cluster="", log="", partitions=1)


class Times:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s = 1_000.0
        monkeypatch.setattr("dagger.backends.kafka.lane.time.monotonic", lambda: self.s)


def lane_at(offset: int, safe: int) -> Lane:
    detector: Any = None
    lane = Lane(Cluster(options_of("kafka://localhost/orders?lookback=10s")), 0, detector)
    lane.begin(LOG, offset, safe)
    return lane


def committed(lane: Lane, offset: int) -> OffsetAndMetadata:
    """What stands in the group once a lane has committed."""
    marks = lane.marks({LOG: offset}, BINDING)
    lane.went_on(marks)
    return marks[LOG]


def test_what_was_committed_long_ago_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Times(monkeypatch)
    lane = lane_at(100, 100)
    for second in range(1, 31):
        times.s += 1.0
        committed(lane, 100 + 10 * second)
    assert lane.safe() == 100 + 10 * 20


def test_an_outage_makes_nothing_safe_for_who_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Times(monkeypatch)
    lane = lane_at(100, 100)
    times.s += 60.0
    committed(lane, 500)
    times.s += 1.0
    last = committed(lane, 600)
    assert last == OffsetAndMetadata(600, "c 100")
    times.s += 3_600.0  # nothing could be committed, for the store was away
    safe = OffsetNote.of(last).safe
    assert safe is not None
    other = lane_at(last.offset, safe)
    assert other.safe() == 100
    times.s += 9.0
    assert OffsetNote.of(committed(other, 700)).safe == 100
    times.s += 2.0
    committed(other, 800)
    assert other.safe() == 600, "that was when it was taken over"


def test_an_outage_makes_nothing_safe_for_who_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Times(monkeypatch)
    lane = lane_at(100, 100)
    for second in range(1, 31):
        times.s += 1.0
        committed(lane, 100 + 10 * second)
    times.s += 3_600.0
    assert lane.safe() == 100 + 10 * 20


def test_what_is_read_again_is_never_committed_as_less(monkeypatch: pytest.MonkeyPatch) -> None:
    Times(monkeypatch)
    lane = lane_at(100, 50)
    assert committed(lane, 60).offset == 100
    assert committed(lane, 101).offset == 101


@pytest.mark.parametrize("metadata", ["", "c", "c x"])
def test_a_note_without_a_safe_offset_tells_none(metadata: str) -> None:
    assert OffsetNote.of(OffsetAndMetadata(7, metadata)).safe is None


@pytest.mark.parametrize("told", [OffsetNote("c", 0), OffsetNote("c", 17), OffsetNote("c"), OffsetNote("")])
def test_a_note_is_read_as_it_was_written(told: OffsetNote) -> None:
    assert OffsetNote.of(OffsetAndMetadata(7, str(told))) == told
