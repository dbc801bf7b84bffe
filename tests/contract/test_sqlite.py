"""SQLite keeps the contract."""

from pathlib import Path

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, CrashContract, StandaloneContract, Storage, StoreStorage
from tests.contract.storages import OnSqlite, RecordsOnSqlite


class TestSqlite(BackendContract):
    """All of it, with a fault at every tenth place: the next class tries every one."""

    every_nth_call = 10

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return OnSqlite(tmp_path)


@pytest.mark.slow
class TestSqliteAtEveryPlace(CrashContract):
    """With a fault at every place."""

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return OnSqlite(tmp_path)


class TestSqliteRecords(BackendContract, StandaloneContract):
    """A store alone, beside a log of another kind."""

    every_nth_call = 15

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return RecordsOnSqlite(tmp_path)

    @pytest.fixture
    @override
    def stores(self, tmp_path: Path) -> StoreStorage:
        return RecordsOnSqlite(tmp_path)


@pytest.mark.slow
class TestSqliteRecordsAtEveryPlace(CrashContract):
    """With a fault at every place."""

    @pytest.fixture
    @override
    def storage(self, tmp_path: Path) -> Storage:
        return RecordsOnSqlite(tmp_path)
