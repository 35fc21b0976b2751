"""The small changes: which there are in a file, and the file with one of them made."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
SAYS_ONLY = {"log", "logging", "warnings"}  # what is logged is not what is decided


@dataclass(frozen=True)
class Mutant:
    """One change. ``name`` finds it again while the file stays as it is."""

    file: str
    line: int
    column: int
    kind: str  # tells several changes of one place apart
    before: str
    after: str
    span: tuple[int, int]  # of the text that ``after`` replaces, in bytes

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.column}:{self.kind}"

    def source(self, text: bytes) -> bytes:
        """The whole file with the change."""
        return text[: self.span[0]] + self.after.encode() + text[self.span[1] :]


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """All of them, in the order of the file."""
    text = (root / file).read_bytes()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _code(ast.parse(text)):
        for kind, changed in _changes(node):
            if not isinstance(node, ast.expr | ast.stmt):
                continue
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            before = text[begin:end].decode()
            after = ast.unparse(changed)
            after = after if isinstance(node, ast.stmt) else f"({after})"
            yield Mutant(file, node.lineno, node.col_offset, kind, before, after, (begin, end))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """What is executed and decides: no annotation, docstring, decorator, log line or error text."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr | ast.arguments) or _says_only(child):
            continue
        if isinstance(node, ast.AnnAssign) and child is node.annotation:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            child in node.decorator_list or child is getattr(node, "returns", None)
        ):
            continue
        yield child
        if not isinstance(child, ast.Raise | ast.Assert):
            yield from _code(child)


def _says_only(node: ast.AST) -> bool:
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Constant):
        return True
    call = node.value
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in SAYS_ONLY
    )


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Each change of one node, with a letter that tells it apart."""
    if (operator := _other_operator(copy.deepcopy(node))) is not None:
        yield operator
    match copy.deepcopy(node):
        case ast.BoolOp(op=op, values=values):
            yield "b", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield f"d{i}", rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.IfExp(body=body, orelse=orelse):
            yield "t", body
            yield "e", orelse
        case ast.Constant(value=bool() as value):
            yield "k", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "k", ast.Constant(value + 1)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield "x", ast.Pass()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "r", ast.Return(ast.Constant(None))


def _other_operator(new: ast.AST) -> tuple[str, ast.AST] | None:
    match new:
        case ast.Compare(ops=[op]) if type(op) in COMPARE:
            new.ops = [COMPARE[type(op)]()]
            return "c", new
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not _is_text(new):
            new.op = ARITHMETIC[type(op)]()
            return "a", new
        case ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            new.op = ARITHMETIC[type(op)]()
            return "a", new
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            return "u", operand
        case ast.Call(func=ast.Name(id=name)) if name in CALLS and len(new.args) > 1:
            new.func = ast.Name(CALLS[name])
            return "f", new
    return None


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in sides
    )
