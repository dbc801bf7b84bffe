"""The core, in the smallest loop that carries its effects out, does what the reference does."""

from __future__ import annotations

from hypothesis import given, note

from tests.core.parts import small_parts
from tests.model import MARKS
from tests.model.drivers import Core, refer
from tests.model.reference import Reference
from tests.model.schedule import Case
from tests.model.strategies import cases
from tests.model.trees import told

pytestmark = MARKS


@given(cases())
def test_the_core_does_what_the_reference_does(case: Case) -> None:
    does_what_the_reference_does(case)


@given(cases())
def test_it_does_so_with_frames_in_parts(case: Case) -> None:
    with small_parts():
        does_what_the_reference_does(case)


def does_what_the_reference_does(case: Case) -> None:
    note(told(case.template))
    core, reference = Core(case), Reference(case.template, case.id, case.early_limit)
    for action in case.actions:
        note(str(action))
        refer(reference, case, action)
        core.carry_out(action)
        assert core.view == reference.view
        assert sorted(core.tasks) == reference.task_keys
