"""What the compiler lays out, as files: it is a durable format. `python -m tests.plan.golden` writes them anew.

A running instance refers to these lines by their numbers. A change of a file means that no instance of such a template
goes on after an upgrade: raise `COMPILER` in dagger/plan/signature.py, and say so in the changelog.
"""

from pathlib import Path

from dagger import Template
from dagger.plan import Plan, compile
from dagger.plan.signature import line_of
from tests.core.machine import any_of, chain, hooked, job, plan_of, repeated, undone_by
from tests.dsl import drawn
from tests.dsl.drawn import Order

FOLDER = Path(__file__).with_name("tables")

COMPILED: dict[str, Template[Order, object]] = {
    "leaves": drawn.leaves,
    "processes": drawn.processes,
    "all_of": drawn.all_of_them,
    "any_of": drawn.any_of_them,
    "at_least": drawn.some_of_them,
    "switch": drawn.cases,
    "match": drawn.matched,
    "for_each": drawn.each,
    "bounds": drawn.bounds,
    "recover": drawn.recovered,
    "race": drawn.raced,
    "plumbing": drawn.plumbed,
    "partly": drawn.partly,
    "child": drawn.children,
    "undoing": drawn.undone,
    "loops": drawn.loops,
    "skippable": drawn.skipped,
}
UNDONE = chain(hooked(undone_by(job("a"), "ua"), "h"), any_of(undone_by(job("b"), "ub"), job("c")))
LOOP = chain(any_of(job("x"), job("y")), repeated(chain(job("a"), any_of(job("b"), job("c"))), bool))
"""What no construct of the language shows yet."""


def plans() -> dict[str, Plan]:
    """What is laid out, by the name of its file."""
    return {name: compile(template) for name, template in COMPILED.items()} | {
        "undone": plan_of(UNDONE),
        "loop": plan_of(LOOP),
    }


def told(plan: Plan) -> str:
    """A compiled table as text: its operations, the rows of its outcome table, and its signature."""
    lines = [f"{op.index:3} {line_of(op)}" for op in plan.ops]
    rows = zip(plan.paths, plan.kinds, plan.owners, strict=True)
    lines += [f"row {slot} {kind} in {around}: {path}" for slot, (path, kind, around) in enumerate(rows)]
    return "\n".join([*lines, f"signature {plan.signature:016x}", ""])


def golden(name: str) -> str:
    """What the file of that name holds."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def renew() -> None:
    """Write every file anew; look at the difference before it is committed."""
    FOLDER.mkdir(exist_ok=True)
    for name, plan in plans().items():
        (FOLDER / f"{name}.txt").write_text(told(plan), encoding="utf-8")


if __name__ == "__main__":
    renew()
