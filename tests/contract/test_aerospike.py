"""Aerospike keeps the contract of a store, with the log in memory."""

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, Storage
from tests.contract.storages import OnAerospike
from tests.servers.aerospike import Aerospike, Running
from tests.servers.aerospike import aerospike_server as aerospike_server


class TestAerospike(BackendContract):
    """All of it, with a mishap at every fifth place."""

    places_every = 5

    @pytest.fixture
    @override
    def storage(self, aerospike_server: Aerospike | Running) -> Storage:
        return OnAerospike(aerospike_server.url, "contract")
