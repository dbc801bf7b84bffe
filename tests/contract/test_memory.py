"""Memory keeps the contract."""

import os

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, Storage
from tests.contract.storages import InMemory


class TestMemory(BackendContract):
    """All of it: with a fault at every place in `make test`, at every fourth in `make check`."""

    every_nth_call = 4 if os.environ.get("HYPOTHESIS_PROFILE", "fast") == "fast" else 1

    @pytest.fixture
    @override
    def storage(self) -> Storage:
        return InMemory()
