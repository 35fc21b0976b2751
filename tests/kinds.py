"""What kind of test a test is, told by what it imports: no file has to remember its marker.

fast     pure: no socket, no process, no browser; the daily `make check` runs these
wire     real Modbus, MQTT, HTTP, processes or serial lines, on loopback
browser  a real chromium looks at the page
story    whole homes over whole days (the folder ``story``), and what says so itself

A marker that stands in a file wins. Followed are the imports within ``tests`` and ``simulators``;
a fixture counts as an import of the file that defines it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KINDS = ("fast", "wire", "browser", "story")
WIRE = (
    "aiohttp", "aiomqtt", "multiprocessing", "paho", "playwright", "pymodbus", "requests", "schemathesis",
    "socket", "subprocess", "threading", "gateway.modbus.connection", "gateway.publishing.broker",
    "gateway.publishing.mqtt", "simulators.broker", "simulators.demo",
)  # fmt: skip
CALLS = {"create_subprocess_exec", "create_server", "open_connection", "start_server"}  # of asyncio


def kind_of(item: pytest.Item) -> str:
    """The marker of a test that has none of its own."""
    path = item.path.relative_to(ROOT / "tests")
    fixtures = getattr(item, "fixturenames", ())
    if path.parts[0] == "story":
        return "story"
    if "browser" in fixtures:
        return "browser"
    modules = {".".join(("tests", *path.with_suffix("").parts)), *_homes(item)}
    return "wire" if any(_on_the_wire(module) for module in modules) else "fast"


def _homes(item: pytest.Item) -> set[str]:
    """The modules of ``tests`` that define the fixtures of a test."""
    info = getattr(item, "_fixtureinfo", None)
    defined = info.name2fixturedefs.values() if info else ()
    modules = {definition.func.__module__ for several in defined for definition in several}
    return {module for module in modules if module.startswith("tests.")}


@cache
def _on_the_wire(module: str) -> bool:
    """Whether a module, or one of ours below it, opens a socket or starts a process."""
    seen, left = set(), [module]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in WIRE or name.startswith(tuple(f"{wire}." for wire in WIRE)):
            return True
        if name.startswith(("tests.", "simulators.")):
            left += _names(name)
    return not seen.isdisjoint(CALLS)


@cache
def _names(module: str) -> frozenset[str]:
    """What a module of ours imports (a function's late imports too), and the CALLS it makes."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.exists():
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and node.attr in CALLS:
            found.add(node.attr)
    return frozenset(found)
