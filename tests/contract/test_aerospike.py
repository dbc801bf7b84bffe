"""Aerospike keeps the contract of a store, with the log in memory."""

import pytest
from typing_extensions import override

from dagger.testing.contract import (
    BackendContract,
    DueIndexContract,
    ListingContract,
    StandaloneContract,
    Storage,
    StoreContract,
    StoreStorage,
)
from tests.contract.storages import OnAerospike, OnFakeServers
from tests.servers.aerospike import Aerospike, Running


@pytest.mark.slow
class TestAerospike(BackendContract):
    """All of it, with a fault at every fifth place."""

    every_nth_call = 5

    @pytest.fixture
    @override
    def storage(self, aerospike_server: Aerospike | Running) -> Storage:
        return OnAerospike(aerospike_server.url, "contract")


@pytest.mark.slow
class TestAerospikeAlone(StandaloneContract):
    """What it keeps beside the records."""

    @pytest.fixture
    @override
    def stores(self, aerospike_server: Aerospike | Running) -> StoreStorage:
        return OnAerospike(aerospike_server.url, "contract")


class TestAerospikeWithoutServers(StoreContract, DueIndexContract, ListingContract):
    """What the store does by itself; where there is no server, too."""

    @pytest.fixture
    @override
    def storage(self) -> Storage:
        return OnFakeServers()
