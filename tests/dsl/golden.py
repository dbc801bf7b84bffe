"""The drawings that were looked at and found good, as files: `python -m tests.dsl.golden` writes them anew."""

from pathlib import Path

from dagger import Template
from tests.dsl import drawn
from tests.dsl.drawn import Order

FOLDER = Path(__file__).with_name("drawings")

DRAWN: dict[str, Template[Order, object]] = {
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
    "undoing": drawn.undone,
    "loops": drawn.loops,
    "skippable": drawn.skipped,
    "child": drawn.children,
    "everything": drawn.everything,
}


def golden(name: str) -> str:
    """What the file of that name holds."""
    return (FOLDER / name).read_text(encoding="utf-8")


def renew() -> None:
    """Write every file anew; look at them before they are committed."""
    FOLDER.mkdir(exist_ok=True)
    for name, template in DRAWN.items():
        (FOLDER / f"{name}.dot").write_text(template.to_dot(), encoding="utf-8")
        (FOLDER / f"{name}.svg").write_text(template.to_svg(), encoding="utf-8")


if __name__ == "__main__":
    renew()
