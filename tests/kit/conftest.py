"""What several engines of a test share."""

from __future__ import annotations

import pytest

from dagger.backends.memory import MemoryBackend


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()
