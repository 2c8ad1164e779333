"""Notebook sources: clean, narrated, thin, and with parameters that repeat the library's defaults."""

import ast
import json
import re

import nbformat
import pytest

from leadbook.phase import TITLES
from leadbook.runner.plan import RUNNER_KEYS
from leadbook.settings import PROJECT, Settings

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
LOOPS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.ListComp, ast.DictComp,
         ast.SetComp, ast.GeneratorExp, ast.Lambda, ast.Try)  # fmt: skip

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def parameters_cell(path):
    (cell,) = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    return cell


def test_there_are_nine_in_order():
    assert [path.stem[:2] for path in NOTEBOOKS] == sorted(TITLES)


@each
def test_it_is_a_valid_notebook_without_outputs(path):
    book = read(path)
    nbformat.validate(book)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))
    assert book.metadata.kernelspec.name == "python3"
    assert "papermill" not in book.metadata


@each
def test_it_has_one_parameters_cell_of_literals_with_help(path):
    lines = parameters_cell(path).source.splitlines()
    for line in lines:
        assert re.fullmatch(r"\w+ = .+  # .+", line), line
    declared = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse("\n".join(lines)).body}
    defaults = Settings().model_dump()
    assert declared == {key: defaults[key] for key in declared}


@each
def test_it_has_no_logic_of_its_own(path):
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, LOOPS), cell.source


@each
def test_cells_are_short(path):
    for cell in code_cells(path):
        if "parameters" not in cell.metadata.get("tags", []):
            assert len(cell.source.splitlines()) <= 14, cell.source


@each
def test_it_begins_with_its_question_and_ends_with_its_verdict(path):
    cells = read(path).cells
    assert cells[0].source.startswith(f"# {path.stem[:2]} ")
    for word in ("**Question:**", "**What it changes:**", "**Who runs it:**", "**How long:**"):
        assert word in cells[0].source, word
    assert code_cells(path)[-1].source == "book.close()"
    assert cells[-1].cell_type == "markdown"


@each
def test_prose_holds_no_results_and_code_holds_no_output_leftovers(path):
    text = json.dumps([cell.source for cell in read(path).cells])
    assert "/tmp/" not in text and "/work/" not in text and "/home/" not in text


def test_every_parameter_is_declared_by_a_notebook():
    declared = set()
    for path in NOTEBOOKS:
        declared |= {line.split(" = ")[0] for line in parameters_cell(path).source.splitlines()}
    assert declared == set(Settings.model_fields) - RUNNER_KEYS
