"""SQLite keeps the contract."""

from pathlib import Path

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, CrashContract, Storage
from tests.contract.storages import OnSqlite


class TestSqlite(BackendContract):
    """All of it, with a mishap at every fifth place."""

    places_every = 5

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return OnSqlite(tmp_path)


@pytest.mark.slow
class TestSqliteAtEveryPlace(CrashContract):
    """With a mishap at every place."""

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return OnSqlite(tmp_path)
