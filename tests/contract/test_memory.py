"""Memory keeps the contract."""

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, Storage
from tests.contract.storages import InMemory


class TestMemory(BackendContract):
    """All of it."""

    @pytest.fixture
    @override
    def storage(self) -> Storage:
        return InMemory()
