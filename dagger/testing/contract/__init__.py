"""The contract suite for backends: derive from `BackendContract`, give it your `Storage`, and run pytest."""

import pkgutil

import pytest

# The suite's own assertions say what they compared, as those of a test file do. Not this module by its own name: it is
# imported already, and pytest 9.0 warns of that.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from dagger.testing.contract.accepted import AcceptedContract as AcceptedContract  # noqa: E402  # to be rewritten first
from dagger.testing.contract.backlog import BacklogContract as BacklogContract  # noqa: E402  # as above
from dagger.testing.contract.crashes import CrashContract as CrashContract  # noqa: E402  # as above
from dagger.testing.contract.finding import DueIndexContract as DueIndexContract  # noqa: E402  # as above
from dagger.testing.contract.finding import ListingContract as ListingContract  # noqa: E402  # as above
from dagger.testing.contract.guarantees import GuaranteeContract as GuaranteeContract  # noqa: E402  # as above
from dagger.testing.contract.headers import HeaderContract as HeaderContract  # noqa: E402  # as above
from dagger.testing.contract.log import LogContract as LogContract  # noqa: E402  # as above
from dagger.testing.contract.loops import LoopContract as LoopContract  # noqa: E402  # as above
from dagger.testing.contract.owners import OwnerContract as OwnerContract  # noqa: E402  # as above
from dagger.testing.contract.readers import ReaderContract as ReaderContract  # noqa: E402  # as above
from dagger.testing.contract.releases import ReleaseContract as ReleaseContract  # noqa: E402  # as above
from dagger.testing.contract.standalone import StandaloneContract as StandaloneContract  # noqa: E402  # as above
from dagger.testing.contract.storage import Storage as Storage  # noqa: E402  # as above
from dagger.testing.contract.store import StoreContract as StoreContract  # noqa: E402  # as above
from dagger.testing.contract.topics import TopicContract as TopicContract  # noqa: E402  # as above
from dagger.testing.contract.with_memory_log import StoreStorage as StoreStorage  # noqa: E402  # to be rewritten first
from dagger.testing.contract.with_memory_log import with_memory_log as with_memory_log  # noqa: E402  # as above
from dagger.testing.contract.workers import WorkersContract as WorkersContract  # noqa: E402  # as above
from dagger.testing.contract.working import TaskContract as TaskContract  # noqa: E402  # as above


class BackendContract(
    LogContract,
    BacklogContract,
    TopicContract,
    ReaderContract,
    OwnerContract,
    StoreContract,
    DueIndexContract,
    ListingContract,
    AcceptedContract,
    GuaranteeContract,
    HeaderContract,
    CrashContract,
    WorkersContract,
    ReleaseContract,
    LoopContract,
    TaskContract,
):
    """All of the contract: the ports of log and store, and the guarantees that an engine gives on them."""


__all__ = [
    "AcceptedContract",
    "BackendContract",
    "BacklogContract",
    "CrashContract",
    "DueIndexContract",
    "GuaranteeContract",
    "HeaderContract",
    "ListingContract",
    "LogContract",
    "LoopContract",
    "OwnerContract",
    "ReaderContract",
    "ReleaseContract",
    "StandaloneContract",
    "Storage",
    "StoreContract",
    "StoreStorage",
    "TaskContract",
    "TopicContract",
    "WorkersContract",
    "with_memory_log",
]
