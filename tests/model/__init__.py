"""The core against a naive model: random templates under random schedules must give what the reference gives.

* `reference.py` and `pieces.py` say what a template means, as plainly as possible.
* `words.py` is the user code of random templates, `strategies.py` grows them, `schedule.py` is what happens to them.
* `drivers.py` carries a schedule out on the reference, and on the core in a loop of its own.

The properties run in `make check`, `make test` and `make fuzz` alike, with as many examples as each has: so they
are marked `fuzz` only where that is what runs.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

MARKS: Final = [pytest.mark.fuzz] if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else []
