"""SQLite keeps the contract."""

from pathlib import Path

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, Storage
from tests.contract.storages import OnSqlite


class TestSqlite(BackendContract):
    """All of it."""

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return OnSqlite(tmp_path)
