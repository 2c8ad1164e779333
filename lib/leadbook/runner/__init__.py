"""The papermill chain: runs the notebooks in order, recomputes the truth after each, and writes the report."""

from leadbook.runner.chain import RunResult, run
from leadbook.runner.keep import keep, refuse_target

__all__ = ["RunResult", "keep", "refuse_target", "run"]
