"""A worker for the orders of a file: `python -m examples.worker sqlite:///orders.db`.

Start as many as you like; they share the work. Each ends on SIGTERM, once what it does is done. One that is killed
is replaced by the others, or by the next that is started.
"""

from __future__ import annotations

import sys

from dagger import Dagger
from examples.orders import order_workflow


def main(url: str) -> None:
    """Work until SIGTERM."""
    engine = Dagger(url)
    engine.register(order_workflow)
    engine.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
