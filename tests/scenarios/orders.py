"""What the scenarios are about: orders, what services report of them, and what services are asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dagger import Topic

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    """An order, and how many parcels it is packed in."""

    id: str
    parcels: int = 0
    due: datetime | None = None


@dataclass(frozen=True)
class Report:
    """From a service."""

    id: str
    text: str = "done"


@dataclass(frozen=True)
class Request:
    """To a service."""

    id: str
    do: str


def by_id(value: Order | Report | Request) -> str:
    """The business key of everything."""
    return value.id


PAYMENTS: Final = Topic("SCENARIOS.payments", Report, key=by_id)
SHIPMENTS: Final = Topic("SCENARIOS.shipments", Report, key=by_id)
REQUESTS: Final = Topic("SCENARIOS.requests", Request, key=by_id)
