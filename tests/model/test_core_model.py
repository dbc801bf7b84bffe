"""The core, in the smallest loop that carries its effects out, does what the reference does."""

from __future__ import annotations

from hypothesis import given, note

from tests.model import MARKS
from tests.model.drivers import Core, refer
from tests.model.reference import Reference
from tests.model.schedule import Case
from tests.model.strategies import cases
from tests.model.trees import told

pytestmark = MARKS


@given(cases())
def test_the_core_does_what_the_reference_does(case: Case) -> None:
    note(told(case.template))
    core, reference = Core(case), Reference(case.template, case.id, case.early_limit)
    for action in case.actions:
        note(str(action))
        refer(reference, case, action)
        core.carry_out(action)
        assert core.view == reference.view
        assert sorted(core.tasks) == reference.task_keys
