"""Tiny notebooks for the runner's tests."""

from __future__ import annotations

from pathlib import Path

import nbformat

PARAMETERS = 'profile = "rehearsal"  # profile\nrun_dir = ""  # records\ndatabase = "d"  # database'
OPEN = (
    "from tests.runner_book import Book\n"
    "given = dict(globals())\n"
    "book = Book(run_dir, '{phase}', profile=profile, parameters=given)"
)
PASSES = "book.check('T-{phase}-001', 'pass', 12.5)"
CLOSE = "book.close()"


def make(folder: Path, phase: str, *cells: str, name: str = "phase", parameters: str = PARAMETERS) -> Path:
    """A notebook `NN_name.ipynb` whose code cells are the parameters, `OPEN` and `cells`."""
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    )
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    title = nbformat.v4.new_markdown_cell(f"# {phase} {name}")
    code = [nbformat.v4.new_code_cell(source.format(phase=phase)) for source in (OPEN, *cells)]
    nb.cells = [title, tagged, *code]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{phase}_{name}.ipynb"
    nbformat.write(nb, path)
    return path
