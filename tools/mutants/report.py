"""What survived, and whether there is a known reason for it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.mutants.patching import Mutant
from tools.mutants.running import Killer

SURVIVORS: Final = Path(__file__).parent / "survivors.toml"
KILLED_MIN: Final = 0.9
"""What part of the mutants the tests have to find at least."""


def reasons() -> dict[tuple[str, str, str, str], str]:
    """The known survivors, by path, function, line and change, each with its reason."""
    found = tomllib.loads(SURVIVORS.read_text()).get("survivor", [])
    return {(one["path"], one["function"], one["line"], one["change"]): one["reason"] for one in found}


def share(found: Mapping[Mutant, Killer]) -> float:
    """What part was killed."""
    return sum(map(bool, found.values())) / len(found) if found else 1.0


def lines(found: Mapping[Mutant, Killer]) -> Iterator[str]:
    """The report."""
    known = reasons()
    survivors = [mutant for mutant, killer in found.items() if not killer]
    killed, tried = Counter(one.path for one, killer in found.items() if killer), Counter(one.path for one in found)
    yield f"{len(found)} mutants: {share(found):.1%} killed, {len(survivors)} survive"
    yield from (f"  {path}: {killed[path]} of {tried[path]} killed" for path in sorted(tried))
    explained = [(one, known.get((one.path, one.function, one.text, one.what))) for one in survivors]
    yield f"{sum(why is not None for _, why in explained)} of the survivors have a known reason:"
    yield from (f"  {_told(one)}\n      {why}" for one, why in explained if why is not None)
    yield f"{sum(why is None for _, why in explained)} have none:"
    yield from (f"  {_told(one)}" for one, why in explained if why is None)


def _told(mutant: Mutant) -> str:
    return f"{mutant.place}: {mutant.what}\n      {mutant.text}"
