"""The house: imports point one way, modules and functions stay small, names stand once, secrets have one door."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from leadbook.core.settings import PROJECT

LIB = PROJECT / "lib" / "leadbook"
ROOMS = (
    "core", "page", "lead", "enrich", "rehearsal", "schema", "provision", "ingest", "measure", "monitor", "bench",
    "load", "backup", "atlas", "watch", "forecast", "n8n", "alerts", "actions", "analysis", "phases", "report",
    "runner", "commands", "cli",
)  # fmt: skip
"""From the bottom up: a room imports rooms that stand before it."""


@cache
def tree_of(path: Path) -> ast.Module:
    """The module, parsed once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules():
    return sorted(path for path in LIB.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(LIB).parts[0].removesuffix(".py")


def imported_rooms(path: Path):
    for node in ast.walk(tree_of(path)):
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
            for node in ast.walk(tree_of(path)):
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
def test_public_functions_are_documented(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree), "module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


# ------------------------------------------------------------------------------------------------- size and names

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CHECK_ID = re.compile(r"[A-Z]{3,4}-[A-Z0-9]{2,5}-\d{3}")
SEES_CHECKS = ("core", "page", "phases", "report", "runner")
"""Rooms that judge or show; all others return plain records."""


def trees() -> dict[Path, ast.Module]:
    return {path: tree_of(path) for path in modules()}


def imports(path: Path) -> set[Path]:
    """Modules of the library that this one imports when it is loaded; not those that a function imports."""
    found = set()
    for node in ast.iter_child_nodes(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "leadbook":
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        stems = [LIB.parent.joinpath(*name.split(".")) for name in names]
        found |= {file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()}
    return found - {path}


def test_no_modules_import_each_other_in_a_circle():
    # `from leadbook.x import y` loads x/__init__ too; that one imports nothing back as long as it is a docstring
    graph = {path: {other for other in imports(path) if other.name != "__init__.py"} for path in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(str(path.relative_to(LIB)) for path in circle.args[1]))


def test_functions_have_at_most_50_lines_and_files_400():
    long = [str(path.relative_to(LIB)) for path in modules() if len(path.read_text("utf-8").splitlines()) > 400]
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50:
                long.append(f"{path.relative_to(LIB)}: {node.name}")
    assert not long


def test_a_folder_holds_at_most_15_files():
    folders = [LIB, *(path for path in LIB.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    counts = {folder: sum(path.suffix == ".py" for path in folder.iterdir()) for folder in folders}
    assert not {str(folder.relative_to(LIB)): count for folder, count in counts.items() if count > 15}


def test_the_public_name_of_a_class_stands_once():
    places = defaultdict(list)
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(LIB)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def check_ids(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHECK_ID.fullmatch(node.value):
            yield node.value


def test_each_check_id_stands_once_in_code():
    places = defaultdict(list)
    for path, tree in trees().items():
        for check_id in check_ids(tree):
            places[check_id].append(str(path.relative_to(LIB)))
    assert not {check_id: where for check_id, where in places.items() if len(where) > 1}


def test_only_phases_and_the_report_judge_and_show():
    forbidden = {LIB / "core" / name for name in ("checks.py", "definitions.py", "objections.py")}
    for path in modules():
        if room(path) not in SEES_CHECKS:
            wrong = {other for other in imports(path) if other in forbidden or room(other) == "page"}
            assert not wrong, path.relative_to(LIB)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebooks_cells_have_at_most_12_lines(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not [source.splitlines()[0] for source in sources if len(source.splitlines()) > 12]


def test_every_public_function_and_class_is_used_somewhere():
    paths = [*modules(), *(PROJECT / "tests").rglob("*.py"), *NOTEBOOKS, *LIB.rglob("*.j2")]
    words = {path: re.findall(r"\w+", re.sub(r"__all__ = \[.*?\]", "", path.read_text("utf-8"), flags=re.S))
             for path in paths}  # fmt: skip
    counts = defaultdict(int)
    for found in words.values():
        for word in found:
            counts[word] += 1
    unused = []
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                command = any("app.command" in ast.unparse(decorator) for decorator in node.decorator_list)
                if counts[node.name] < 2 and not command:
                    unused.append(f"{path.relative_to(LIB)}: {node.name}")
    assert not unused
