"""The house: imports point one way, modules and functions stay small, secrets have one door."""

import ast
from pathlib import Path

import pytest

from leadbook.core.settings import PROJECT

LIB = PROJECT / "lib" / "leadbook"
ROOMS = (
    "core", "page", "lead", "enrich", "rehearsal", "schema", "provision", "ingest", "measure", "bench", "load",
    "backup", "monitor", "analysis", "phases", "report", "runner", "commands", "cli",
)  # fmt: skip
"""From the bottom up: a room imports rooms that stand before it."""


def modules():
    return sorted(path for path in LIB.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(LIB).parts[0].removesuffix(".py")


def imported_rooms(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "leadbook":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name.split(".")[1] for a in node.names if a.name.startswith("leadbook.")]
        yield from (name for name in names if name in ROOMS)


def test_every_module_has_a_room():
    assert {room(path) for path in modules()} - {"__init__"} <= set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIB)))
def test_imports_point_one_way(path):
    here = room(path)
    if here == "__init__":
        return
    for other in imported_rooms(path):
        assert ROOMS.index(other) <= ROOMS.index(here), f"{here} must not import {other}"


def imports_of(folder: str) -> set[str]:
    found = set()
    for path in modules():
        if room(path) == folder:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
                elif isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def test_the_report_and_the_runner_never_touch_a_database():
    for here in ("report", "runner"):
        assert not {"pymongo", "redis", "bson"} & imports_of(here), here
    for path in modules():
        if room(path) in ("report", "runner"):
            assert not {"rehearsal", "schema", "ingest"} & set(imported_rooms(path)), path


def test_clients_are_built_in_one_place():
    for path in modules():
        if path.name not in ("connect.py", "replica_set.py"):
            text = path.read_text(encoding="utf-8")
            assert "MongoClient(" not in text and "Redis.from_url(" not in text and " Redis(" not in text, path


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIB)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 420, "split the module by its nouns"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} does not fit on a screen"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIB)))
def test_public_functions_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
