"""What every class of the suite is made of."""

from __future__ import annotations

import pytest

from dagger.testing.contract.storage import Storage


class ContractCase:
    """Tests that need a storage."""

    @pytest.fixture
    def storage(self) -> Storage:
        """The data under test, empty at first: override it."""
        raise NotImplementedError(f"{type(self).__name__} must override the fixture `storage`")
