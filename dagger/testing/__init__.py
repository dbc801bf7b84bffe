"""The test kit: workflows in unit tests, without servers, waiting or marks.

A name is loaded when it is first asked for, as in `dagger` itself.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from dagger.testing.exploration import Exploration as Exploration
    from dagger.testing.exploration import explore as explore
    from dagger.testing.exploration import explore_sync as explore_sync
    from dagger.testing.explorer import ExplorationFailed as ExplorationFailed
    from dagger.testing.explorer import NotRepeatable as NotRepeatable
    from dagger.testing.kit import TestEngine as TestEngine
    from dagger.testing.kit import hang as hang
    from dagger.testing.outcome import InstanceOutcome as InstanceOutcome
    from dagger.testing.outcome import Outcome as Outcome

__all__ = [
    "Exploration",
    "ExplorationFailed",
    "InstanceOutcome",
    "NotRepeatable",
    "Outcome",
    "TestEngine",
    "explore",
    "explore_sync",
    "hang",
]

# No module has the name of what is in it: an import of the module would put that in its place.
_MODULES = ("kit", "outcome", "explorer", "exploration")
"""Where the names are; each loads those before it."""


if not typing.TYPE_CHECKING:  # a checker would take every name for one that may be there

    def __getattr__(name: str) -> typing.Any:
        if name in __all__:
            for module in _MODULES:
                loaded = importlib.import_module(f"dagger.testing.{module}")
                if hasattr(loaded, name):
                    found = globals()[name] = getattr(loaded, name)
                    return found
        raise AttributeError(f"module 'dagger.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
