"""Notebook sources: clean, narrated, thin, and with parameters that repeat the library's defaults."""

import ast
import json

import nbformat
import pytest

from leadbook.core.settings import PROJECT, Settings
from leadbook.phases.phase import TITLES

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
def test_its_parameters_are_the_profile_and_a_few_knobs_each_with_its_meaning(path):
    first, *knobs = parameters_cell(path).source.splitlines()
    assert first.startswith('profile: str = "rehearsal"  # ')
    assert len(knobs) <= 10
    for line in knobs:
        key, kind = line.partition(" = ")[0].split(": ")
        assert line == f"{key}: {kind} = None  # {Settings.model_fields[key].description}"
        assert kind == getattr(Settings.model_fields[key].annotation, "__name__", "str").replace("Literal", "str")


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
