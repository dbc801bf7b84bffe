"""The mutants of a module: each is one small change inside of one function.

A mutant is found again by its number: the same source always gives the same changes in the same order.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Put: TypeAlias = Callable[[ast.expr], None]
"""Replaces an expression where it stands."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed, where, and how to do it to the tree in which it was found."""

    function: str
    first_line: int
    """Where the function begins, with its decorators."""
    statement: int
    """The line of the statement that is changed."""
    what: str
    apply: Callable[[], None]


COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NOT_SWAPPED: Final = ("min", "max", "isinstance", "issubclass", "cast", "zip")
CALLED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_NEVER: Final = (ast.Assert, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Pass)
_NOT_ENTERED: Final = (ast.JoinedStr, ast.Lambda)
"""Texts for people; and what mypy would report first."""


def changes_of(tree: ast.Module) -> Iterator[Change]:
    """Every change of every function and method, in the order of the source."""
    for qualname, function in functions_of(tree):
        lines = [function.lineno, *(decorator.lineno for decorator in function.decorator_list)]
        found = _Finder(function)
        for statement, what, apply in found.statements(function.body):
            yield Change(qualname, min(lines), statement, what, apply)


def functions_of(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """The functions of a module and the methods of its classes, each with its qualified name."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{one.name}", one) for one in node.body if isinstance(one, Function))


_Found: TypeAlias = tuple[int, str, Callable[[], None]]
_Swap: TypeAlias = tuple[str, Callable[[], None]]


class _Finder:
    """Finds the changes of one function."""

    def __init__(self, function: Function) -> None:
        stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and _is_stored(node)]
        arguments = [node.arg for node in ast.walk(function) if isinstance(node, ast.arg)]
        self._bound = Counter([*stored, *arguments])

    def statements(self, body: list[ast.stmt]) -> Iterator[_Found]:
        for index, node in enumerate(body):
            if isinstance(node, _NEVER) or _is_text(node) or _is_unreachable(node):
                continue
            for what, apply in self._own(body, index, node):
                yield node.lineno, what, apply
            for inner in _bodies(node):
                yield from self.statements(inner)

    def _own(self, body: list[ast.stmt], index: int, node: ast.stmt) -> Iterator[_Swap]:
        """The changes of a statement, without those of the statements in it."""
        if self._may_go(node):
            yield "removed", partial(body.__setitem__, index, ast.copy_location(ast.Pass(), node))
        if isinstance(node, ast.Return) and node.value is not None and not _is_nothing(node.value):
            yield "returns None", partial(setattr, node, "value", ast.Constant(None))
        if isinstance(node, ast.AugAssign) and (other := COMPUTED.get(type(node.op))):
            yield f"{_sign(node.op)}= becomes {_sign(other())}=", partial(setattr, node, "op", other())
        if isinstance(node, ast.Match):
            yield from _cases(node)
        if not isinstance(node, ast.Raise | Function | ast.ClassDef):
            yield from _inside(node)

    def _may_go(self, node: ast.stmt) -> bool:
        """Whether a statement can be left out, and not everybody would notice at once."""
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            return len(names) < len(node.targets) or any(self._bound[name] > 1 for name in names)
        return isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Delete | ast.Continue | ast.Break)


def _cases(node: ast.Match) -> Iterator[_Swap]:
    if len(node.cases) > 1:
        for case in node.cases:
            yield f"without case {ast.unparse(case.pattern)}", partial(node.cases.remove, case)
    for case in node.cases:
        if case.guard is not None:
            yield from _condition(case.guard, partial(setattr, case, "guard"))
            yield from _expression(case.guard, partial(setattr, case, "guard"))


def _inside(node: ast.AST) -> Iterator[_Swap]:
    """The changes of the expressions right inside of a node, and of those inside of them."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "args" if _is_cast(node) else ""):
            continue
        if isinstance(value, ast.expr):
            if field == "test":
                yield from _condition(value, partial(setattr, node, field))
            yield from _expression(value, partial(setattr, node, field))
        elif isinstance(value, list):
            for index, one in enumerate(value):
                put = partial(value.__setitem__, index)
                if isinstance(one, ast.expr):
                    if field == "ifs":
                        yield from _condition(one, put)
                    yield from _expression(one, put)
                elif isinstance(one, ast.comprehension | ast.keyword | ast.withitem):
                    yield from _inside(one)


def _condition(node: ast.expr, put: Put) -> Iterator[_Swap]:
    """A condition that is not made of operators, which have changes of their own, is negated."""
    if not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield f"not {ast.unparse(node)}", partial(put, ast.copy_location(ast.UnaryOp(ast.Not(), node), node))


def _expression(node: ast.expr, put: Put) -> Iterator[_Swap]:
    match node:
        case ast.Compare():
            for index, op in enumerate(node.ops):
                other = COMPARED[type(op)]()
                yield f"{_sign(op)} becomes {_sign(other)}", partial(node.ops.__setitem__, index, other)
        case ast.BoolOp():
            now, then = (ast.Or(), ast.And()) if isinstance(node.op, ast.And) else (ast.And(), ast.Or())
            yield f"{_sign(then)} becomes {_sign(now)}", partial(setattr, node, "op", now)
        case ast.UnaryOp(op=ast.Not() | ast.USub() as op):
            yield f"without {_sign(op)}", partial(put, node.operand)
        case ast.BinOp():
            if computed := COMPUTED.get(type(node.op)):
                yield f"{_sign(node.op)} becomes {_sign(computed())}", partial(setattr, node, "op", computed())
        case ast.Constant():
            yield from _constant(node)
        case ast.Call():
            yield from _call(node)
        case ast.Tuple(ctx=ast.Load(), elts=[_, _]) if any(isinstance(one, ast.Starred) for one in node.elts):
            yield f"{ast.unparse(node)} turned round", node.elts.reverse
        case _:
            pass
    if not isinstance(node, _NOT_ENTERED):
        yield from _inside(node)


def _constant(node: ast.Constant) -> Iterator[_Swap]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} becomes {not value}", partial(setattr, node, "value", not value)
    elif isinstance(value, int):
        yield f"{value} becomes {value + 1}", partial(setattr, node, "value", value + 1)
    elif isinstance(value, str) and value and " " not in value:
        yield f"{value!r} becomes {value + 'X'!r}", partial(setattr, node, "value", f"{value}X")


def _call(node: ast.Call) -> Iterator[_Swap]:
    if isinstance(node.func, ast.Name) and (other := CALLED.get(node.func.id)):
        yield f"{node.func.id} becomes {other}", partial(setattr, node.func, "id", other)
    first = node.args[:2]
    if (
        len(first) == 2
        and not any(isinstance(one, ast.Starred | ast.Constant) for one in first)
        and _may_be_swapped(node)
    ):
        yield f"{ast.unparse(node.func)}: the first two arguments swapped", partial(_swap, node.args)


def _swap(arguments: list[ast.expr]) -> None:
    arguments[:2] = arguments[1::-1]


# Small questions.


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        yield getattr(node, field, [])
    parts = node.cases if isinstance(node, ast.Match) else getattr(node, "handlers", [])
    yield from (part.body for part in parts)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_unreachable(node: ast.stmt) -> bool:
    """`assert_never(...)`, or `raise AssertionError(...)`: no test can come there."""
    match node:
        case ast.Expr(ast.Call(ast.Name("assert_never"))) | ast.Raise(ast.Call(ast.Name("AssertionError"))):
            return True
        case _:
            return False


def _is_nothing(node: ast.expr) -> bool:
    """None, or False, for which None would do as well."""
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_cast(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("cast", "assert_never")


def _may_be_swapped(node: ast.Call) -> bool:
    """Not where it changes nothing, nor where a type in place of a value fails at once."""
    return not (isinstance(node.func, ast.Name) and node.func.id in NOT_SWAPPED)


_SIGNS: Final[dict[type[ast.AST], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.And: "and",
    ast.Or: "or",
    ast.Not: "not",
    ast.USub: "-",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.LShift: "<<",
    ast.RShift: ">>",
}


def _sign(op: ast.AST) -> str:
    return _SIGNS[type(op)]
