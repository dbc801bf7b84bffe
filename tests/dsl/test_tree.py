"""`str(template)`: whole texts, so that every change of a drawing is seen."""

import pytest

from dagger import Template
from tests.dsl import drawn
from tests.dsl.drawn import Order

LEAVES = """\
Leaves, version 1, from Order
├─ command PAYMENT_COMMAND → PAYMENT_COMMAND
├─ command charge → PAYMENT_COMMAND
├─ listener PAYMENT_LISTENER ← PAYMENT_LISTENER
├─ listener paid_back ← PAYMENT_LISTENER, on key, by key
├─ signal approved ← approval
├─ task pack
├─ task ship, timeout 1m30s, retry 5 attempts (after 1s ×2 up to 1m ±10%, on OSError or ValueError)
├─ sleep sleep-3d for 3d
├─ wait until at_noon
├─ task same
└─ then kind
"""

PROCESSES = """\
Processes, version 1, from Order
├─ process PAYMENT, timeout 1h
│  ├─ command charge → PAYMENT_COMMAND
│  ├─ listener paid ← PAYMENT_LISTENER
│  └─ otherwise
│     └─ then same
└─ process SHIPPING
   └─ task pack
"""

ALL_OF_THEM = """\
All, version 1, from Order
├─ all of
│  ├─ task a
│  └─ steps
│     ├─ task b
│     └─ task c
└─ then first
"""

ANY_OF_THEM = """\
Any, version 1, from Order
└─ any of FASTEST
   ├─ task a
   └─ task b
"""

SOME_OF_THEM = """\
Some, version 1, from Order
├─ at least 2 of
│  ├─ task a
│  ├─ task b
│  └─ task c
└─ then first_of
"""

CASES = """\
Cases, version 1, from Order
├─ switch size
│  ├─ case SMALL
│  │  └─ task bike
│  └─ case LARGE
│     ├─ task book
│     └─ task truck
└─ switch KIND
   ├─ case a
   │  └─ task one
   └─ otherwise
      └─ task other
"""

EACH = """\
Each, version 1, from Order
└─ for each lines, limit 4
   ├─ task pick
   └─ task pack
"""

BOUNDS = """\
Bounds, version 1, from Order
├─ task a, retry 3 attempts (after 1s ×2 up to 1m), timeout 1m
├─ steps, retry 2 attempts (after 1s)
│  ├─ task b
│  └─ task c
└─ task d, timeout 1m
   └─ otherwise
      └─ task late
"""

RECOVERED = """\
Recovered, version 1, from Order
├─ task a, retry 1 attempt
│  └─ on failure
│     └─ task refund
├─ steps, retry 1 attempt
│  └─ task b
│     └─ on failure
│        └─ task refund_b
└─ process SHIPPING
   ├─ task c
   ├─ task d
   └─ on failure
      └─ task undo
"""

CHILDREN = """\
Children, version 1, from Order
├─ task a
└─ workflow Returns version 2
"""

EVERYTHING = """\
Everything, version 1, from Order
├─ process PAYMENT, timeout 1h
│  ├─ command charge → PAYMENT_COMMAND
│  ├─ listener paid ← PAYMENT_LISTENER
│  └─ otherwise
│     └─ task give_up
├─ all of
│  ├─ task reserve
│  ├─ task check, timeout 1m
│  └─ steps
│     ├─ task score
│     └─ task limit
├─ then first
├─ any of APPROVAL
│  ├─ signal approved ← approval
│  └─ steps
│     ├─ sleep sleep-3d for 3d
│     └─ task approve_by_default
├─ switch kind
│  ├─ case small
│  │  └─ task by_bike
│  ├─ case large
│  │  ├─ task book_truck
│  │  ├─ command PAYMENT_COMMAND → PAYMENT_COMMAND
│  │  └─ listener paid_back ← PAYMENT_LISTENER, on key, by key
│  └─ otherwise
│     └─ task call_the_freight_desk, retry 10 attempts (after 1s ×2 up to 1m)
├─ process PICKING
│  ├─ for each lines, limit 4
│  │  ├─ task pick
│  │  └─ task pack
│  └─ then first_of
├─ at least 2 of
│  ├─ task ask_a
│  ├─ task ask_b
│  └─ task ask_c
├─ then first_of
├─ wait until at_noon
├─ task ship, timeout 1m30s, retry 5 attempts (after 1s ×2 up to 1m ±10%, on OSError or ValueError)
│  └─ on failure
│     └─ task refund
├─ steps, timeout 10m
│  ├─ task invoice
│  ├─ task archive
│  └─ on failure
│     └─ task escalate
└─ workflow Returns version 2
"""


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (drawn.leaves, LEAVES),
        (drawn.processes, PROCESSES),
        (drawn.all_of_them, ALL_OF_THEM),
        (drawn.any_of_them, ANY_OF_THEM),
        (drawn.some_of_them, SOME_OF_THEM),
        (drawn.cases, CASES),
        (drawn.each, EACH),
        (drawn.bounds, BOUNDS),
        (drawn.recovered, RECOVERED),
        (drawn.children, CHILDREN),
        (drawn.everything, EVERYTHING),
    ],
    ids=lambda given: given.name if isinstance(given, Template) else "text",
)
def test_a_template_as_text(template: Template[Order, object], text: str) -> None:
    assert f"{template}\n" == text


def test_a_representation_is_one_line() -> None:
    assert repr(drawn.processes) == "<template Processes version 1>"


def test_names_stay_on_their_line() -> None:
    lines = str(drawn.nasty()).splitlines()
    assert lines[0] == 'T "x" <y> #1, version 1, from Order'
    assert lines[1 : len(drawn.NASTY) + 1] == [f"├─ task {name}" for name in drawn.NASTY]
    assert lines[-1] == '└─ command T"<&>; → T"<&>;'


def test_equal_templates_have_equal_texts() -> None:
    assert drawn.nasty() == drawn.nasty()
    assert str(drawn.nasty()) == str(drawn.nasty())


def test_a_long_chain() -> None:
    lines = str(drawn.long(10_000)).splitlines()
    assert len(lines) == 10_001
    assert lines[-1] == "└─ task step_9999"


def test_a_deep_template() -> None:
    assert "task inmost" in str(drawn.deep()).splitlines()[-1]
