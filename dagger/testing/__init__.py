"""The test kit: workflows in unit tests, without servers, waiting or marks."""

from dagger.testing.explore import Exploration as Exploration
from dagger.testing.explore import explore as explore
from dagger.testing.explore import explore_sync as explore_sync
from dagger.testing.explorer import ExplorationFailed as ExplorationFailed
from dagger.testing.explorer import NotRepeatable as NotRepeatable
from dagger.testing.kit import TestEngine as TestEngine
from dagger.testing.kit import hang as hang
from dagger.testing.outcome import Ending as Ending
from dagger.testing.outcome import Outcome as Outcome

__all__ = [
    "Ending",
    "Exploration",
    "ExplorationFailed",
    "NotRepeatable",
    "Outcome",
    "TestEngine",
    "explore",
    "explore_sync",
    "hang",
]
