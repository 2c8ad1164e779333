"""Commands start quickly: what only pages and plots need is not loaded to refuse a word."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pandas", "matplotlib", "papermill", "scrapbook", "nbconvert", "IPython")


@pytest.mark.parametrize("module", ["about", "doctor", "sprint", "leads", "act", "stages", "watching.watch"])
def test_a_command_loads_no_library_of_pages_and_plots(module: str) -> None:
    script = f"import sys, leadbook.cli, leadbook.commands.{module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
