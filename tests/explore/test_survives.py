"""No fault changes what a workflow leads to, whatever it is made of."""

import pytest

from dagger.testing import explore_sync
from tests.explore.trips import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_fault_changes_anything(name: str) -> None:
    template, scenario = SCENARIOS[name]
    found = explore_sync(template, scenario)
    assert all(found.runs.values()), found
