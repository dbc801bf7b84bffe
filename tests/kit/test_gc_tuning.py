"""The garbage collector of a process that is a worker."""

from __future__ import annotations

import contextlib
import gc

from dagger.engine.process.gc_tuning import THRESHOLDS, tuned_gc


def test_it_is_as_before_once_the_worker_has_ended() -> None:
    before = gc.get_threshold()
    with contextlib.suppress(KeyboardInterrupt), tuned_gc():
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() > 0
        raise KeyboardInterrupt
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
