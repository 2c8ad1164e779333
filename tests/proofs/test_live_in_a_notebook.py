"""A headless notebook that watches holds one output, the last view, and comes to its end."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbclient import NotebookClient

from leadbook.core.settings import PROJECT

pytestmark = pytest.mark.proof

CELL = """
import sys; sys.path[:0] = {paths}
from tests import live_series as made
from leadbook.phases.live.drawn.lab import follow
lengths = iter((20, 40, 60))

def views():
    try:
        return made.made_view(history=made.series(next(lengths)))
    except StopIteration:
        raise KeyboardInterrupt

shown = follow(views, seconds=60, every_s=0.05)
assert shown.snapshots == 60
"""


def test_a_headless_notebook_holds_one_output_the_last():
    cell = nbformat.v4.new_code_cell(CELL.format(paths=json.dumps([str(PROJECT), str(PROJECT / "tests")])))
    book = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    (output,) = book.cells[0].outputs
    assert output.output_type == "display_data"
    html = output.data["text/html"]
    assert html.count("<img") == 1 and "CRITICAL" in html and len(html) < 200_000
