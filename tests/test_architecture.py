"""The house: imports point one way, modules and functions stay small, secrets have one door."""

import ast
from pathlib import Path

import pytest

from leadbook.settings import PROJECT

LIB = PROJECT / "lib" / "leadbook"
LAYER = {
    "errors": 0, "addresses": 0, "allowed": 0,
    "settings": 1, "checks": 1, "prose": 1, "sealed": 1, "ticker": 1, "traces": 1,
    "trust": 1, "redactor": 1, "kernel": 4, "section": 2,
    "attestations": 2, "canary": 2, "connect": 2, "servers": 2, "locks": 2, "provenance": 2, "adoption": 2, "schema": 3,
    "provision": 3, "leads": 3, "measure": 3, "drills": 3, "watch": 3, "analysis": 3, "report": 3, "traceability": 3,
    "phase": 4, "workplace": 4, "runner": 4, "cli": 5,
}  # fmt: skip
SAME_LAYER = {
    ("redactor", "settings"),
    ("checks", "settings"), ("servers", "connect"), ("provenance", "connect"), ("adoption", "connect"),
    ("phase", "kernel"),
    ("adoption", "provenance"), ("locks", "servers"),
    *{(room, "schema") for room in ("provision", "leads", "measure", "drills", "watch", "analysis")},
    ("measure", "leads"), ("drills", "leads"), ("watch", "leads"), ("analysis", "leads"), ("report", "traceability"),
}  # fmt: skip
"""Imports inside a layer that the design allows: the database's shape and ready-made documents serve others."""


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
        yield from (name for name in names if name in LAYER)


def test_every_module_has_a_room():
    assert {room(path) for path in modules()} - {"__init__"} <= set(LAYER)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIB)))
def test_imports_point_one_way(path):
    here = room(path)
    if here == "__init__":
        return
    for other in imported_rooms(path):
        allowed = other == here or LAYER[other] < LAYER[here] or (here, other) in SAME_LAYER
        assert allowed, f"{here} must not import {other}"


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
            assert not {"connect", "servers", "schema"} & set(imported_rooms(path)), path


def test_clients_are_built_in_one_place():
    for path in modules():
        if room(path) not in ("connect", "servers"):
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
