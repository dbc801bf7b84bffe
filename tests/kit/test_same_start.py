"""A start that comes again is the same start if its input means the same, wherever it is asked."""

from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from typing import Any

import pytest

from dagger import Dagger, InstanceConflict, Status, Topic, listener, signal, template
from dagger.backends.memory import MemoryBackend
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str
    tags: frozenset[int]
    prices: dict[str, Decimal]


FIRST = Order("o-1", frozenset([1, 9]), {"a": Decimal("1.0"), "b": Decimal(2)})
AGAIN = Order("o-1", frozenset([9, 1]), {"b": Decimal("2.00"), "a": Decimal(1)})
OTHER = Order("o-1", frozenset([9, 2]), {"b": Decimal("2.00"), "a": Decimal(1)})
approved = signal("approved", bool)
orders = template("Orders", approved, key=lambda order: order.id, takes=Order)


def test_the_samples_are_written_in_another_way() -> None:
    assert list(FIRST.tags) != list(AGAIN.tags)
    assert FIRST == AGAIN != OTHER


async def test_a_live_instance(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(orders, FIRST)
    again = await dagger_engine.start(orders, AGAIN)
    with pytest.raises(InstanceConflict, match="another input"):
        await dagger_engine.start(orders, OTHER)
    await dagger_engine.signal(run, approved, True)
    assert run.status is again.status is Status.COMPLETED
    assert (await dagger_engine.start(orders, AGAIN)).result is True
    assert await dagger_engine.count() == 1


async def test_two_in_one_go(dagger_engine: TestEngine) -> None:
    one, other = await dagger_engine.start_all(orders, [FIRST, AGAIN])
    assert one.status is other.status is Status.EXECUTING
    with pytest.raises(InstanceConflict, match="two different instances"):
        await dagger_engine.start_all(orders, [FIRST, OTHER])


@pytest.mark.anyio
async def test_one_that_is_not_begun(memory: MemoryBackend) -> None:
    """Two processes submit, and then a third works."""
    run = await Dagger(backend=memory).start(orders, FIRST)
    engine = TestEngine(backend=memory)
    engine.register(orders)
    again = await engine.start(orders, AGAIN)
    await engine.signal(again, approved, True)
    assert (await engine.wait(again)).result is True
    assert run.id == again.id
    assert (await engine.get_instance(again)).input == FIRST


async def test_prepared_instances(dagger_engine: TestEngine) -> None:
    dagger_engine.register(orders)
    registered = dagger_engine.get_template(orders)
    made = [await registered.create_instance(None, order) for order in (FIRST, AGAIN)]
    first, again = [await dagger_engine.submit(one) for one in made]
    assert first.status is again.status is Status.EXECUTING


@pytest.mark.anyio
async def test_a_release_that_adds_a_field_with_a_default(memory: MemoryBackend) -> None:
    def release(*more: Any) -> tuple[Any, Any]:
        kind = make_dataclass("Parcel", [("id", str), *more], frozen=True)
        return kind, template("Parcels", approved, key=lambda parcel: parcel.id, takes=kind)

    old, before = release()
    new, after = release(("notes", tuple[str, ...], ()))
    engine = TestEngine(backend=memory)
    await engine.start(before, old("p-1"))
    engine = TestEngine(backend=memory)
    run = await engine.start(after, new("p-1"))
    assert run.status is Status.EXECUTING
    with pytest.raises(InstanceConflict):
        await engine.start(after, new("p-1", ("fragile",)))


notes = Topic("NOTES", Order, key=lambda order: order.id)


def reordered(basket: dict[str, int]) -> None:
    basket["a"] = basket.pop("a")


def changed(basket: dict[str, int]) -> None:
    basket["c"] = 3


def taken_and_put_back(basket: dict[str, int]) -> None:
    basket["c"] = 3
    del basket["c"]


@pytest.mark.parametrize(
    ("change", "status"),
    [(reordered, Status.COMPLETED), (taken_and_put_back, Status.COMPLETED), (changed, Status.FAILURE)],
)
async def test_an_input_is_changed_in_place_if_it_means_another_thing(
    dagger_engine: TestEngine, change: Callable[[dict[str, int]], None], status: Status
) -> None:
    @listener(notes)
    def folds(basket: dict[str, int], order: Order) -> int:
        change(basket)
        return len(basket)

    run = await dagger_engine.start(template("T", folds, key=lambda basket: "o-1"), {"a": 1, "b": 2})
    await dagger_engine.deliver(notes, FIRST)
    assert run.status is status
    assert run.error is None or run.error.type == "MutatedInput"
