"""How many examples Hypothesis tries: one profile for each verb of the Makefile, by ``HYPOTHESIS_PROFILE``.

``fast`` and ``ci`` are gates: they are derandomized, so that a change fails them for what it changed and not
for the luck of the run, and a failure of theirs is a failure everywhere. ``fuzz`` is the search: random, and
with a database, so that what it has found fails first until it is mended. No profile has a deadline: a slow
machine is not a bug.
"""

import os

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.servers.fixtures import aerospike_server as aerospike_server
from tests.servers.fixtures import kafka as kafka
from tests.servers.fixtures import kafka_cluster as kafka_cluster

settings.register_profile("fast", max_examples=30, deadline=None, derandomize=True, database=None)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile(
    "fuzz",
    max_examples=20_000,
    deadline=None,
    print_blob=True,
    database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "fast")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """What the engine runs on. The plugin of anyio would try trio too, and old releases of it where there is none."""
    return "asyncio"
