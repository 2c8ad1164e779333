"""The nine notebooks as nbval runs them, beside the other tests: it mostly waits too."""

from __future__ import annotations

import subprocess

import pytest

from leadbook.core.settings import PROJECT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_notebook_runs_from_its_first_cell_to_its_last() -> None:
    run = subprocess.run(["make", "--no-print-directory", "nbval"], cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5_000:] + run.stderr[-2_000:]
    assert " passed" in run.stdout
