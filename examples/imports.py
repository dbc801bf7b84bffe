"""A file of customers is imported: each row is checked and saved, and the rows that fail are reported.

A row that fails stops no other row, since the `for_each` collects failures. The report has the number of each rejected
row and the reason, so that somebody can correct these rows and import them again. Saving a customer twice changes
nothing, so a row may be imported again at any time.

    engine = Dagger(lifespan=a_context_manager_that_yields_customers)
    engine.register(load)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from dagger import Failure, Retry, context, for_each, task, template

AT_ONCE = 100
"""How many rows are imported at a time: the customer database answers no more requests than that."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file, as it was read."""

    number: int
    email: str
    credit: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file with customers."""

    upload_id: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Customer:
    """A row that was checked. The credit is in whole cents."""

    email: str
    credit: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not imported, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """How many rows were imported, and which were not, in the order of the file."""

    imported: int
    rejected: tuple[Rejected, ...]


class Customers(Protocol):
    """The customer database, as the worker's `lifespan=` provides it."""

    async def save(self, customer: Customer) -> None:
        """Add a customer, or replace the one with the same address."""


@task
async def check(row: Row) -> Customer:
    """Check a row; a `ValueError` says what is wrong with it."""
    if "@" not in row.email:
        raise ValueError(f"{row.email!r} is not an e-mail address")
    if not row.credit.isdecimal():
        raise ValueError(f"the credit is a whole number of cents, not {row.credit!r}")
    return Customer(row.email, int(row.credit))


@task(retry=Retry(attempts=3, first=timedelta(seconds=5), on=ConnectionError))
async def save(customer: Customer) -> None:
    """Save a customer. If the database cannot be reached, try again."""
    customers: Customers = context().resources
    await customers.save(customer)


def rows(upload: Upload) -> Sequence[Row]:
    """The rows of a file."""
    return upload.rows


def upload_id(upload: Upload) -> str:
    """The business key of an import."""
    return upload.upload_id


def report(results: list[Failure[Row] | None]) -> Report:
    """Count what was imported, and list what was not."""
    failures = [result for result in results if result is not None]
    rejected = tuple(Rejected(failure.input.number, failure.error) for failure in failures)
    return Report(len(results) - len(rejected), rejected)


load = template("Import", for_each(rows, check >> save, collect=True, limit=AT_ONCE).then(report), key=upload_id)
