"""What the model tests share."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def silent() -> Iterator[None]:
    """The engine logs nothing: what is parked or fails in thousands of random runs would hide what is wrong."""
    logger = logging.getLogger("dagger")
    logger.disabled = True
    yield
    logger.disabled = False
