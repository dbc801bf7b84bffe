"""Puts a mutant into the functions of a module that is imported, or probes that record which statements run.

A function keeps its identity and gets other code. So tables of functions, `from ... import ...` and decorated functions
need no care, and nothing is imported again.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, TypeAlias

from tools.mutants.changes import changes_of, functions_of

Statement: TypeAlias = tuple[str, int]
"""The path of a module and the line of a statement."""
PROBE: Final = "__mutants_probe__"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. Its number is its place among those of its module; -1 is for an entry of a table."""

    path: str
    function: str
    line: int
    text: str
    what: str
    number: int
    entry: int = -1

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line} {self.function}"


class Source:
    """The source of a module that is imported."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = str(path.relative_to(root))
        self.text = path.read_text()
        self.module = importlib.import_module(self.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    def mutants(self) -> Iterator[Mutant]:
        """All that can be made of it."""
        lines = self.text.splitlines()
        tree = ast.parse(self.text)
        for number, change in enumerate(changes_of(tree)):
            if _function(self.module, change.function) is not None:
                text = lines[change.statement - 1].strip()
                yield Mutant(self.path, change.function, change.statement, text, change.what, number)
        for name, line in _tables(tree):
            table = vars(self.module).get(name)
            if isinstance(table, dict) and len(table) > 1:
                for entry, key in enumerate(table):
                    yield Mutant(self.path, name, line, lines[line - 1].strip(), f"without {_named(key)}", -1, entry)

    def plant(self, mutant: Mutant) -> None:
        """Let the module be this mutant."""
        if mutant.entry >= 0:
            table = vars(self.module)[mutant.function]
            del table[list(table)[mutant.entry]]
            return
        tree = ast.parse(self.text)
        change = list(changes_of(tree))[mutant.number]
        change.apply()
        self._replace(tree, change.function)

    def probe(self, seen: set[Statement]) -> None:
        """Let each statement add itself to what was seen, when it runs."""
        tree = ast.parse(self.text)
        functions = list(functions_of(tree))
        for _, function in functions:
            _with_probes(function, self.path)
        setattr(self.module, PROBE, seen.add)
        for name, _ in functions:
            if _function(self.module, name) is not None:
                self._replace(tree, name)

    def _replace(self, tree: ast.Module, name: str) -> None:
        """Give a function the code that it has in a changed tree."""
        function = _function(self.module, name)
        assert function is not None
        module = compile(ast.fix_missing_locations(tree), self.module.__file__ or self.path, "exec")
        first = function.__code__.co_firstlineno
        function.__code__ = next(code for code in _codes(module, name) if code.co_firstlineno == first)


def _codes(code: CodeType, name: str) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_qualname == name:
                yield one
            else:
                yield from _codes(one, name)


def _function(module: ModuleType, name: str) -> FunctionType | None:
    """The function or method of a qualified name, without what decorators have put around it."""
    holder, _, last = name.rpartition(".")
    owner: Any = getattr(module, holder) if holder else module
    found: Any = vars(owner).get(last)
    while found is not None and not isinstance(found, FunctionType):
        inner = (getattr(found, name, None) for name in ("__wrapped__", "__func__", "fget", "func"))
        found = next((one for one in inner if one is not None), None)
    if found is not None and hasattr(found, "__wrapped__"):
        found = functools.reduce(lambda one, _: getattr(one, "__wrapped__", one), range(5), found)
    ours = found is not None and found.__module__ == module.__name__
    return found if ours else None


def _tables(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Where a name of the module is bound to a dictionary."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict | ast.DictComp):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, node.lineno


def _named(key: object) -> str:
    return getattr(key, "__name__", None) or repr(key)


def _with_probes(node: ast.AST, path: str) -> None:
    """Put a probe before each statement within a function."""
    for child in list(ast.iter_child_nodes(node)):
        _with_probes(child, path)
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if isinstance(body, list) and body and not isinstance(node, ast.ClassDef | ast.Module):
            setattr(node, field, [one for statement in body for one in (_probe(statement, path), statement)])


def _probe(statement: ast.stmt, path: str) -> ast.stmt:
    place = ast.Tuple([ast.Constant(path), ast.Constant(statement.lineno)], ast.Load())  # a constant, once compiled
    return ast.copy_location(ast.Expr(ast.Call(ast.Name(PROBE, ast.Load()), [place], [])), statement)
