"""Frames and results in very small parts, so that every instance meets them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from dagger.core import frames, many, transition
from dagger.core.rules import each


@contextmanager
def small_parts() -> Iterator[None]:
    """Above two frames an instance has them in parts of two."""
    with (
        patch.object(many, "SHIFT", 1),
        patch.object(frames, "SHIFT", 1),
        patch.object(frames, "MANY", 2),
        patch.object(transition, "MANY", 2),
        patch.object(transition, "LOOKS", 2),
        patch.object(each, "MANY", 1),
    ):
        yield
