"""Every construct is known to everything that interprets templates: nothing falls into a default."""

from typing import Any, get_args

from hypothesis import given, settings

from dagger.dsl import nodes
from dagger.dsl.drawing.kinds import KINDS
from dagger.plan import compile
from dagger.plan.expand import EXPANSIONS
from tests.dsl.golden import DRAWN
from tests.model.pieces import PIECES
from tests.model.strategies import templates

CONSTRUCTS = set(get_args(nodes.Node))
"""All of them."""
CHILD = {nodes.Workflow}
"""What can be drawn, but not run yet."""


def found_in(node: nodes.Node) -> set[type[nodes.Construct]]:
    """The constructs of a tree."""
    return {type(node)}.union(*(found_in(child) for child in node.children))


def test_the_union_has_all_of_them() -> None:
    defined = {kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, nodes.Construct)}
    assert defined - {nodes.Construct, nodes.Group, nodes.Wrapper, nodes.Call} == CONSTRUCTS


def test_the_compiler_expands_each() -> None:
    assert set(EXPANSIONS) == CONSTRUCTS


def test_the_reference_runs_each() -> None:
    assert set(PIECES) == CONSTRUCTS - CHILD


def test_the_drawings_that_are_looked_at_have_each() -> None:
    drawn = [found_in(template.body) for template in DRAWN.values()]
    assert set[type[nodes.Construct]]().union(*drawn) == CONSTRUCTS


def test_random_templates_have_each() -> None:
    found = set[type[nodes.Construct]]()

    @settings(max_examples=500, deadline=None, derandomize=True, database=None)
    @given(templates())
    def look(template: Any) -> None:
        found.update(found_in(template.body))

    look()
    assert found == CONSTRUCTS - CHILD


def test_what_an_instance_shows_has_a_drawing() -> None:
    kinds = {kind for template in DRAWN.values() for kind in compile(template).kinds}
    groups = {"all", "any", "at_least", "race"}  # drawn as a fork and a join
    assert kinds - groups <= set(KINDS)
